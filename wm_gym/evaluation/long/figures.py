"""Pictures of a long evaluation: curves by step, and contact sheets of dreamed and real frames."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import UInt8

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'matplotlib must be installed to plot; pip install "wm-gym[evaluate]" ({error})'
    ) from error

Pictures = Mapping[str, np.ndarray]

_DREAM, _REAL = "tab:blue", "grey"
_CELL = 1.25  # inches a side of a frame


@dataclass(frozen=True)
class Row:
    """A row of a contact sheet.

    Attributes:
        label: On its left.
        frames: From left to right.
        titles: Above each; None leaves them out.
        wrong: Which get a red border; None is none.
    """

    label: str
    frames: UInt8[np.ndarray, "time height width 3"]
    titles: Sequence[str] | None = None
    wrong: Sequence[bool] | None = None


def draw_curves(world: str, part: Mapping[str, Any]) -> bytes:
    """Draws validity, feature distance, ratios to real and consistency by step; a PNG."""
    readings = part["readings"]
    figure = Figure(figsize=(14, 4.2), layout="constrained")
    valid, features, ratios, consistency = figure.subplots(1, 4)
    steps = [each["step"] for each in readings]
    for axes, pairs, title in (
        (valid, {"valid": _DREAM, "exact": "tab:orange", "real_valid": _REAL}, "share of worlds whose state is"),
        (features, {"feature_distance": _DREAM, "real_feature_distance": _REAL}, "feature distance to real frames"),
        (ratios, {"sharpness": "tab:green", "motion": "tab:red"}, "ratio to real frames"),
        (consistency, {"consistency": _DREAM, "real_consistency": _REAL}, "simulation consistency"),
    ):
        _plot(axes, steps, readings, pairs)
        axes.set_title(title, fontsize="medium")
        axes.set_xlabel("step")
        axes.set_xscale("log")
        axes.set_xticks(steps, [f"{step:,}" for step in steps], fontsize="small")
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    ratios.axhspan(0.8, 1.2, color="tab:green", alpha=0.1, label="within 20 % of real")
    highest = max([1.4, *(each[name] or 0.0 for each in readings for name in ("sharpness", "motion"))])
    ratios.set_ylim(0, 1.05 * highest)
    for axes in (valid, consistency):
        axes.set_ylim(-0.03, 1.05)
    features.set_ylim(0, max(0.1, features.get_ylim()[1]))  # noise is at about 0.7: small steps shall look small
    for axes in (valid, features, ratios, consistency):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize="small", frameon=False)
        else:
            axes.text(0.5, 0.5, "nobody can read\nthis world's states", ha="center", transform=axes.transAxes)
    figure.suptitle(f"{world}: {readings[0]['n']} dreams of {steps[-1]:,} steps, open loop")
    return _png(figure)


def draw_drift_sheet(pictures: Pictures) -> bytes:
    """Draws a dreamed row over a real one for each world, a column a step; a PNG. Wrong states have a red border."""
    titles = ["start" if step == 0 else f"step {step:,}" for step in pictures["steps"].tolist()]
    rows: list[Row] = []
    for index, (dream, real, wrong) in enumerate(
        zip(pictures["dream"], pictures["real"], pictures["wrong"], strict=True), start=1
    ):
        rows += [Row(f"world {index}\ndream", dream, titles, wrong.tolist()), Row("real", real)]
    return _sheet(rows)


def draw_action_sheet(pictures: Pictures) -> bytes:
    """Draws sequences of actions, each frame under the text that led to it and its score; a PNG."""
    rows: list[Row] = []
    for dream, real, texts, scores in zip(*(pictures[n] for n in ("dream", "real", "texts", "scores")), strict=True):
        told = [f"“{_cut(str(text))}”\n{3 * score:.0f} of 3" for text, score in zip(texts, scores, strict=True)]
        wrong = [False, *(scores < 1).tolist()]
        rows += [Row("dream", dream, ["before", *told], wrong), Row("real", real)]
    return _sheet(rows)


def draw_revisit_sheet(pictures: Pictures) -> bytes:
    """Draws trips: the place, the far end, the place again; a PNG."""
    rows: list[Row] = []
    titles = ["the place", "far end", f"back, {int(pictures['steps'])} steps"]
    for index, score in enumerate(pictures["score"].tolist()):
        rows += [
            Row(f"dream\nscore {score:.0%}", pictures[f"dream{index}"], titles, [False, False, score < 1]),
            Row("real", pictures[f"real{index}"]),
        ]
    return _sheet(rows)


def draw_physics_sheet(pictures: Pictures) -> bytes:
    """Draws falls under each law and range of speeds; a PNG."""
    names = [name.removesuffix(" dream") for name in pictures if name.endswith(" dream")]
    rows: list[Row] = []
    for name in names:
        rows += [
            Row(name.replace(" ", "\n") + "\ndream", pictures[f"{name} dream"]),
            Row("real", pictures[f"{name} real"]),
        ]
    return _sheet(rows)


SHEETS: Mapping[str, Callable[[Pictures], bytes]] = {
    "drift": draw_drift_sheet,
    "actions": draw_action_sheet,
    "revisits": draw_revisit_sheet,
    "physics": draw_physics_sheet,
}
"""Name of a part -> what draws its contact sheet."""

_LABELS = {
    "valid": "valid",
    "exact": "right",
    "real_valid": "valid, real frames",
    "feature_distance": "dream",
    "real_feature_distance": "other real walks",
    "sharpness": "sharpness",
    "motion": "motion",
    "consistency": "dream",
    "real_consistency": "real frames",
}


def _plot(axes: Axes, steps: list[int], readings: Sequence[Mapping[str, Any]], pairs: Mapping[str, str]) -> None:
    for name, color in pairs.items():
        values = [np.nan if each[name] is None else each[name] for each in readings]
        if not np.isnan(values).all():
            style = "--" if name.startswith("real") else "-"
            axes.plot(steps, values, style, marker="o", markersize=4, color=color, label=_LABELS[name])


def _sheet(rows: Sequence[Row]) -> bytes:
    columns = max(len(row.frames) for row in rows)
    height = sum(_CELL + (0.45 if row.titles else 0.08) for row in rows)
    figure = Figure(figsize=(0.9 + (_CELL + 0.1) * columns, height), layout="constrained")
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for axes_row, row in zip(panels, rows, strict=True):
        for column, axes in enumerate(axes_row):
            axes.set_xticks([])
            axes.set_yticks([])
            if column >= len(row.frames):
                axes.set_axis_off()
                continue
            axes.imshow(row.frames[column], interpolation="nearest")
            if row.titles:
                axes.set_title(row.titles[column], fontsize=7)
            if row.wrong and row.wrong[column]:
                for spine in axes.spines.values():
                    spine.set_color("red")
                    spine.set_linewidth(2.5)
        axes_row[0].set_ylabel(row.label, fontsize=8)
    return _png(figure)


def _cut(text: str) -> str:
    return text if len(text) <= 20 else text[:19] + "…"


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
