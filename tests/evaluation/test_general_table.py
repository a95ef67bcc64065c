"""The table by world, from a report's JSON."""

from typing import Any

from wm_gym.evaluation.general_table import render_general_table


def fidelity(world: str, **values: Any) -> dict[str, Any]:
    """The numbers of one world."""
    numbers = {"1": 0.5, "4": None}
    return {
        "world": world,
        "n": 8,
        "n_by_horizon": {"1": 8, "4": 0},
        "state_accuracy": numbers,
        "factors": {},
        **dict.fromkeys(("psnr", "baseline_psnr", "ssim", "baseline_ssim"), numbers),
        "reward": {"f1": 0.25},
        "reward_correlation": None,
        "termination": {"f1": None},
        "reader": {"accuracy": 1.0},
        **values,
    }


SHARE = {"share": 0.984, "n": 120}
FOLLOWING = {
    "real": SHARE,
    "trained": SHARE,
    "unseen": SHARE,
    "transfer": None,
    "nonsense": SHARE,
    "shuffle_ratio": 7.25,
}
FACTORS = {"ball": {"1": 1.0, "4": 0.5}, "player": {"1": 1.0, "4": None}}
REPORT: dict[str, Any] = {
    "checkpoint": "general",
    "device_name": "a processor",
    "config": {"split": "test", "seed": 7},
    "worlds": {
        "doom_my_way_home": {
            "fidelity": fidelity("doom_my_way_home", state_accuracy={"1": None, "4": None}),
            "following": None,
            "step_seconds": 0.0421,
        },
        "pusht": {
            "fidelity": fidelity("pusht", factors=FACTORS, reward_correlation=0.9, reader={"accuracy": 0.97}),
            "following": FOLLOWING,
            "step_seconds": 0.05,
        },
    },
    "missing": {"pong": "run pip"},
}
LINES = render_general_table(REPORT).splitlines()


def cells(label: str) -> list[str]:
    """The words of the first line with the label, without it."""
    return next(line for line in LINES if line.startswith(label))[len(label) :].split()


def test_long_name_breaks_above_the_column() -> None:
    assert [line.split() for line in LINES[1:3]] == [["doom", "my"], ["way", "home", "pusht"]]


def test_world_without_states_shows_dashes() -> None:
    assert cells("whole state right, step 1") == ["-", "50.0", "%"]


def test_reward_is_an_event_or_a_quantity() -> None:
    assert cells("reward F1") == ["0.250", "-"]
    assert cells("reward correlation") == ["-", "0.900"]


def test_following_shows_kinds_and_n() -> None:
    assert cells("  trained phrasings") == ["-", "98.4", "%"]
    assert cells("  other worlds' phrasings") == ["-", "-"]
    assert cells("  probes") == ["-", "120"]
    assert cells("  action-shuffle ratio") == ["-", "7.2"]


def test_pace_has_milliseconds() -> None:
    assert cells("seconds a step") == ["0.042", "0.050"]


def test_factors_stand_below() -> None:
    line = next(line for line in LINES if line.startswith("pusht"))
    assert line == (
        "pusht, right at steps 1, 4: ball 100.0 % / 50.0 %; player 100.0 % / - (reader right on 97.0 % of real frames)"
    )


def test_missing_world_says_why() -> None:
    assert LINES[-1] == "pong was not measured: run pip"


def test_table_without_any_states_has_no_rows_for_them() -> None:
    only = {"doom_my_way_home": REPORT["worlds"]["doom_my_way_home"]}
    assert "whole state" not in render_general_table(REPORT | {"worlds": only})
