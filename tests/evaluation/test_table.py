"""The table, from a report's JSON."""

from typing import Any

from wm_gym.evaluation.table import render_table

EVENTS = {
    "precision": 0.5,
    "recall": 1.0,
    "f1": 2 / 3,
    "hits": 2,
    "predicted": 4,
    "true": 2,
    "steps": 90,
    "macro_f1": 0.8,
}
NOTHING = {
    "precision": None,
    "recall": None,
    "f1": None,
    "hits": 0,
    "predicted": 0,
    "true": 0,
    "steps": 90,
    "macro_f1": 1.0,
    "brier": 0.0,
}
REPORT: dict[str, Any] = {
    "checkpoint": "minigrid",
    "config": {"twin": "envs:real/MiniGrid-v0", "split": "test", "seed": 7},
    "n": 3,
    "distinct_starts": 3,
    "n_by_horizon": {"1": 3, "64": 0},
    "state_accuracy": {"1": 2 / 3, "64": None},
    "state_accuracy_interval": {"1": [0.208, 0.939], "64": [0.0, 1.0]},
    "baseline_state_accuracy": {"1": 1 / 3, "64": None},
    "factors": {"agent": {"1": 1.0, "64": None}},
    "psnr": {"1": 41.27, "64": None},
    "baseline_psnr": {"1": 22.0, "64": None},
    "ssim": {"1": 0.98765, "64": None},
    "baseline_ssim": {"1": 0.9, "64": None},
    "reward": EVENTS,
    "termination": NOTHING,
    "uncertainty": {
        "first_error_auroc": 0.991,
        "error_auroc": 0.75,
        "limit": 0.25,
        "recall": 0.5,
        "first_errors": 4,
        "steps": 80,
    },
    "drift": {"1000": {"n": 50, "valid": 0.98, "valid_interval": [0.895, 0.9965], "state_accuracy": 0.5}},
    "reader": {"frames": 195, "accuracy": 0.9948},
    "first_errors": {"by_factor": {}, "by_action": {"take it": {"errors": 2, "uses": 9}}},
}


def line(label: str) -> list[str]:
    """The words of the table's first line with the label, without it."""
    return next(row for row in render_table(REPORT).splitlines() if row.startswith(label))[len(label) :].split()


def test_unreached_horizon_shows_a_dash() -> None:
    assert line("whole state equal") == ["66.7", "%", "-"]


def test_factor_has_a_row() -> None:
    assert line("  agent") == ["100.0", "%", "-"]


def test_ssim_keeps_three_digits() -> None:
    assert line("SSIM") == ["0.988", "-"]


def test_events_show_scores_and_counts() -> None:
    assert " ".join(line("reward")) == (
        "precision 0.500, recall 1.000, f1 0.667 (2 hits of 2 true and 4 predicted, 90 steps; macro F1 0.800)"
    )


def test_events_without_any_show_dashes() -> None:
    assert " ".join(line("termination")).startswith("precision -, recall -, f1 -")


def test_drift_has_a_row_a_step() -> None:
    assert " ".join(line("drift, step 1000")).startswith("valid 98.0 % (89.5-99.7), whole state equal 50.0 %, 50")


def test_text_that_goes_wrong_shows_its_uses() -> None:
    assert " ".join(line("first wrong, texts")) == "'take it' 2 of 9"


def test_no_wrong_factor_shows_none() -> None:
    assert line("first wrong, factors") == ["none"]


def test_reader_that_is_not_always_right_says_so() -> None:
    assert " ".join(line("reader checked on")) == "195 real frames: 99.5 % right"


def test_world_without_states_has_no_rows_for_them() -> None:
    lines = render_table(REPORT | {"factors": {}, "reader": None}).splitlines()
    assert not [line for line in lines if line.startswith(("whole state", "  agent", "first wrong", "reader"))]
    assert [line for line in lines if line.startswith("PSNR")]


def test_probability_of_an_end_has_a_brier_score() -> None:
    assert " ".join(line("termination")).endswith("macro F1 1.000, Brier 0.00000)")


def test_uncertainty_says_what_it_finds() -> None:
    assert " ".join(line("uncertainty, AUROC")) == (
        "first error 0.991, wrong by now 0.750 (4 first errors, 80 steps up to them; above 0.250 lie 1 % of the right "
        "steps and 50.0 % of the first errors)"
    )
