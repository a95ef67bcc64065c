"""Renders a general report's JSON as one table for a terminal, a column a world."""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from wm_gym.evaluation.world_plans import PLANS

Json: TypeAlias = Mapping[str, Any]

_LABEL_WIDTH = 30
_CELL_WIDTH = 11
_KINDS = {
    "trained": "trained phrasings",
    "unseen": "unseen phrasings",
    "transfer": "other worlds' phrasings",
    "nonsense": "nonsense taken for idling",
    "real": "judge right on real frames",
}


def render_general_table(report: Mapping[str, Any]) -> str:
    """Returns the table of a report, as `GeneralReport.to_json` gives it or as read back from its file."""
    config, worlds = report["config"], list(report["worlds"].values())
    fidelity = [world["fidelity"] for world in worlds]
    lines = [
        f"{report['checkpoint']}, {config['split']} starts, open loop, seed {config['seed']}, {report['device_name']}",
        *_header(report["worlds"]),
        _row("rollouts", [str(each["n"]) for each in fidelity]),
        *_by_horizon("whole state right, step", fidelity, "state_accuracy", _percent),
        *_by_horizon("PSNR in dB, step", fidelity, "psnr", _number),
        *_by_horizon("  first frame held", fidelity, "baseline_psnr", _number),
        *_by_horizon("SSIM, step", fidelity, "ssim", _ratio),
        *_by_horizon("  first frame held", fidelity, "baseline_ssim", _ratio),
        _row("reward F1", [_reward_f1(each) for each in fidelity]),
        _row("reward correlation", [_cell(each["reward_correlation"], _ratio) for each in fidelity]),
        _row("termination F1", [_cell(each["termination"]["f1"], _ratio) for each in fidelity]),
        *_following([world["following"] or {} for world in worlds]),
        _row("seconds a step", [f"{world['step_seconds']:.3f}" for world in worlds]),
        *(_factors(each) for each in fidelity if each["factors"]),
        *(f"{name} was not measured: {' '.join(why.split())}" for name, why in report["missing"].items()),
    ]
    return "\n".join(lines)


def _header(names: Iterable[str]) -> list[str]:
    """The worlds' names, broken where they are long."""
    parts = [textwrap.wrap(name.replace("_", " "), _CELL_WIDTH - 1) for name in names]
    height = max((len(part) for part in parts), default=0)
    rows = zip(*([""] * (height - len(part)) + part for part in parts), strict=True)
    return [" " * _LABEL_WIDTH + "".join(cell.rjust(_CELL_WIDTH) for cell in row) for row in rows]


def _row(label: str, cells: Iterable[str]) -> str:
    return label.ljust(_LABEL_WIDTH) + "".join(cell.rjust(_CELL_WIDTH) for cell in cells)


def _by_horizon(label: str, fidelity: list[Json], name: str, form: Callable[[float], str]) -> list[str]:
    """A row a horizon; none where no world has the number."""
    if all(value is None for each in fidelity for value in each[name].values()):
        return []
    steps = dict.fromkeys(step for each in fidelity for step in each[name])
    return [_row(f"{label} {step}", [_cell(each[name].get(step), form) for each in fidelity]) for step in steps]


def _reward_f1(fidelity: Json) -> str:
    """Where rewards are events; elsewhere their correlation says more."""
    plan = PLANS.get(fidelity["world"])
    return "-" if plan and not plan.has_reward_events else _cell(fidelity["reward"]["f1"], _ratio)


def _following(reports: list[Json]) -> list[str]:
    """Action following; nothing where it was not measured."""
    if not any(reports):
        return []
    shares = {kind: [_cell((each.get(kind) or {}).get("share"), _percent) for each in reports] for kind in _KINDS}
    ratios = [_cell(each.get("shuffle_ratio"), _number) for each in reports]
    return [
        "action following",
        *(_row(f"  {label}", shares[kind]) for kind, label in _KINDS.items()),
        _row("  nearest real outcome", [_cell(_nearest(each), _percent) for each in reports]),
        _row("  probes", [_cell((each.get("trained") or {}).get("n"), str) for each in reports]),
        _row("  action-shuffle ratio", ratios),
    ]


def _nearest(following: Json) -> float | None:
    """The share of trained phrasings whose dream looks most like the real outcome of the action."""
    share: float | None = ((following.get("nearest") or {}).get("trained") or {}).get("share")
    return share


def _factors(fidelity: Json) -> str:
    """What of a world's state is right, factor by factor, at each horizon."""
    shares = [
        f"{factor} {' / '.join(_cell(value, _percent) for value in values.values())}"
        for factor, values in fidelity["factors"].items()
    ]
    steps = ", ".join(fidelity["n_by_horizon"])
    line = f"{fidelity['world']}, right at steps {steps}: {'; '.join(shares)}"
    if fidelity["reader"]["accuracy"] < 1:
        line += f" (reader right on {_percent(fidelity['reader']['accuracy'])} of real frames)"
    return textwrap.fill(line, 118, subsequent_indent="  ")


def _cell(value: Any, form: Callable[[Any], str]) -> str:
    return "-" if value is None else form(value)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _number(value: float) -> str:
    return f"{value:.1f}"


def _ratio(value: float) -> str:
    return f"{value:.3f}"
