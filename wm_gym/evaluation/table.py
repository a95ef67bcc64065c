"""Renders a fidelity report's JSON as a table for a terminal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

_LABEL_WIDTH = 26
_CELL_WIDTH = 14
_MAX_CAUSES = 5


def render_table(report: Mapping[str, Any]) -> str:
    """Returns the table of a report, as `FidelityReport.to_json` gives it or as read back from its file."""
    config = report["config"]
    steps = list(report["n_by_horizon"])
    lines = [
        f"{report['checkpoint']} against {_yardstick(config)}, open loop, "
        f"{report['n']} rollouts from {report['distinct_starts']} start(s), seed {config['seed']}",
        _row("step", steps),
        _row("rollouts still running", [str(report["n_by_horizon"][step]) for step in steps]),
        *(_states(report) if report["factors"] else ()),
        _row("PSNR, dB", _cells(report["psnr"], _number)),
        _row("  first frame held", _cells(report["baseline_psnr"], _number)),
        _row("SSIM", _cells(report["ssim"], _number)),
        _row("  first frame held", _cells(report["baseline_ssim"], _number)),
        _events("reward", report["reward"]),
        _events("termination", report["termination"]),
        *([_uncertainty(report["uncertainty"])] if report["uncertainty"] else []),
        *(_drift(step, counts) for step, counts in report["drift"].items()),
        *(_failures(report) if report["factors"] else ()),
    ]
    return "\n".join(lines)


def _yardstick(config: Mapping[str, Any]) -> str:
    """Names the twin and its split, or the recordings in their place."""
    if recordings := config.get("recordings"):
        return ", ".join(recordings)
    return f"{config['twin']}, {config['split']} layouts"


def _states(report: Mapping[str, Any]) -> list[str]:
    """Lists the share of right states, whole and by factor."""
    return [
        _row("whole state equal", _cells(report["state_accuracy"], _percent)),
        _row("  95 % interval", _cells(report["state_accuracy_interval"], _interval)),
        _row("  first frame held", _cells(report["baseline_state_accuracy"], _percent)),
        *(_row(f"  {name}", _cells(values, _percent)) for name, values in report["factors"].items()),
    ]


def _failures(report: Mapping[str, Any]) -> list[str]:
    """Lists what goes wrong first, and how well the twin's reader reads real frames."""
    errors, reader = report["first_errors"], report["reader"]
    texts = ((text, f"{count['errors']} of {count['uses']}") for text, count in errors["by_action"].items())
    right = "all right" if reader["accuracy"] == 1 else f"{_percent(reader['accuracy'])} right"
    return [
        _first_errors("first wrong, factors", errors["by_factor"].items()),
        _first_errors("first wrong, texts", texts),
        f"reader checked on {reader['frames']} real frames: {right}",
    ]


def _row(label: str, cells: Iterable[str]) -> str:
    return label.ljust(_LABEL_WIDTH) + "".join(cell.rjust(_CELL_WIDTH) for cell in cells)


def _cells(values: Mapping[str, Any], form: Callable[[Any], str]) -> list[str]:
    return ["-" if value is None else form(value) for value in values.values()]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _interval(bounds: Sequence[float]) -> str:
    return f"{100 * bounds[0]:.1f}-{100 * bounds[1]:.1f}"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}"


def _events(label: str, scores: Mapping[str, Any]) -> str:
    names = ("precision", "recall", "f1")
    parts = [f"{name} {_share(scores[name])}" for name in names]
    return f"{label.ljust(_LABEL_WIDTH)}{', '.join(parts)} ({scores['hits']} hits of {scores['true']} true and " + (
        f"{scores['predicted']} predicted, {scores['steps']} steps; macro F1 {_share(scores['macro_f1'])}"
        + (f", Brier {scores['brier']:.5f})" if "brier" in scores else ")")
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _uncertainty(found: Mapping[str, Any]) -> str:
    """Says how well uncertainty tells errors."""
    caught = (
        f"; above {found['limit']:.3f} lie 1 % of the right steps and {_percent(found['recall'])} of the first errors"
        if found["recall"] is not None
        else ""
    )
    return (
        f"{'uncertainty, AUROC'.ljust(_LABEL_WIDTH)}first error {_share(found['first_error_auroc'])}, "
        f"wrong by now {_share(found['error_auroc'])} "
        f"({found['first_errors']} first errors, {found['steps']} steps up to them{caught})"
    )


def _first_errors(label: str, counts: Iterable[tuple[str, Any]]) -> str:
    """Lists the commonest causes of a rollout's first wrong state."""
    causes = [f"{name!r} {count}" for name, count in islice(counts, _MAX_CAUSES)]
    return label.ljust(_LABEL_WIDTH) + (", ".join(causes) or "none")


def _drift(step: str, counts: Mapping[str, Any]) -> str:
    lower, upper = counts["valid_interval"]
    return (
        f"drift, step {step}".ljust(_LABEL_WIDTH)
        + f"valid {_percent(counts['valid'])} ({100 * lower:.1f}-{100 * upper:.1f}), "
        + f"whole state equal {_percent(counts['state_accuracy'])}, {counts['n']} rollouts"
    )
