"""Pictures of a general report: curves and bars by world, and a contact sheet of real and dreamed frames."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'matplotlib must be installed to plot; pip install "wm-gym[evaluate]" ({error})'
    ) from error

from wm_gym.evaluation.general import GeneralReport

_KINDS = {"trained": "tab:blue", "unseen": "tab:orange", "transfer": "tab:green", "nonsense": "tab:grey"}
_BAR_WIDTH = 0.2


def plot_general(report: GeneralReport, path: Path) -> None:
    """Draws accuracy, PSNR and action following by world into a PNG.

    Args:
        report: What to draw; it has at least one world.
        path: The PNG; its folder is made where missing.
    """
    figure = Figure(figsize=(15, 4.8), layout="constrained")
    states, pixels, following = figure.subplots(1, 3)
    _plot_states(states, report)
    _plot_pixels(pixels, report)
    _plot_following(following, report)
    for axes in (states, pixels):
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    figure.suptitle(f"{report.config.checkpoint}: held-out starts, open loop")
    _save(figure, path)


def draw_contact_sheet(report: GeneralReport, path: Path) -> None:
    """Draws a real row over a dreamed one for each world, at the start and at the horizons.

    Args:
        report: Its worlds' examples are drawn.
        path: The PNG; its folder is made where missing.
    """
    examples = {name: world.fidelity.example for name, world in report.worlds.items() if world.fidelity.example}
    columns = max(len(example.steps) for example in examples.values())
    figure = Figure(figsize=(1.2 + 1.5 * columns, 3.2 * len(examples)), layout="constrained")
    panels = figure.subplots(2 * len(examples), columns, squeeze=False)
    for index, (name, example) in enumerate(examples.items()):
        _draw_row(panels[2 * index], example.real, f"{name}\nreal")
        _draw_row(panels[2 * index + 1], example.dream, "dream")
        for axes, step in zip(panels[2 * index], example.steps, strict=False):
            axes.set_title("start" if step == 0 else f"step {step}", fontsize=8)
    _save(figure, path)


def _plot_states(axes: Axes, report: GeneralReport) -> None:
    for name, world in report.worlds.items():
        if world.fidelity.factor_curves:
            axes.plot(_steps(world.fidelity.config.horizon), 100 * world.fidelity.state_curve.share, label=name)
    axes.set_title("whole state right, % of running rollouts")
    axes.set_ylim(-2, 102)
    _legend(axes)


def _plot_pixels(axes: Axes, report: GeneralReport) -> None:
    for name, world in report.worlds.items():
        gain = world.fidelity.psnr - world.fidelity.baseline_psnr
        axes.plot(_steps(world.fidelity.config.horizon), gain, label=name)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_title("PSNR over that of the first frame held, dB")
    _legend(axes)


def _plot_following(axes: Axes, report: GeneralReport) -> None:
    names = list(report.worlds)
    for index, (kind, color) in enumerate(_KINDS.items()):
        shares = [_share(report, name, kind) for name in names]
        places = np.arange(len(names)) + (index - 1.5) * _BAR_WIDTH
        axes.bar(places, shares, _BAR_WIDTH, color=color, label=kind)
    axes.axhline(95, color="black", linewidth=0.8, linestyle=":")
    axes.set_xticks(np.arange(len(names)), [name.replace("_", "\n") for name in names], fontsize=7)
    axes.set_title("action followed, % of probes")
    axes.set_ylim(0, 102)
    _legend(axes)


def _share(report: GeneralReport, name: str, kind: str) -> float:
    """In %; NaN, which draws nothing, where it was not measured."""
    following = report.worlds[name].following
    counts = (following.to_json() if following else {}).get(kind)
    return 100 * counts["share"] if counts else float("nan")


def _steps(horizon: int) -> np.ndarray:
    return np.arange(1, horizon + 1)


def _draw_row(axes_row: np.ndarray, frames: UInt8[np.ndarray, "time height width channel"], label: str) -> None:
    for axes, frame in zip(axes_row, frames, strict=False):
        axes.imshow(frame, interpolation="nearest")
    for axes in axes_row[len(frames) :]:
        axes.set_axis_off()
    for axes in axes_row:
        axes.set_xticks([])
        axes.set_yticks([])
    axes_row[0].set_ylabel(label, fontsize=8)


def _legend(axes: Axes) -> None:
    """Puts the legend under the axes, where it hides no curve."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4, fontsize="small", frameon=False)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=110)
