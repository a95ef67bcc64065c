"""Pictures of a fidelity report: curves by step, and a contact sheet of failures."""

from pathlib import Path

import numpy as np

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'matplotlib must be installed to plot; pip install "wm-gym[evaluate]" ({error})'
    ) from error

from wm_gym.evaluation.report import FidelityReport
from wm_gym.evaluation.scoring import FailureStrip

_STRIP_COLUMNS = 8


def plot_fidelity(report: FidelityReport, path: Path) -> None:
    """Draws accuracy and PSNR by step into a PNG.

    Args:
        report: What to draw.
        path: The PNG; its folder is made where missing.
    """
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    panels = list(figure.subplots(1, 3 if report.factor_curves else 1, squeeze=False)[0])
    _plot_psnr(panels[-1], report)
    if report.factor_curves:
        _plot_state(panels[0], report)
        _plot_factors(panels[1], report)
    for axes in panels:
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    config = report.config
    figure.suptitle(f"{config.checkpoint} against {config.yardstick}: {len(report.scores)} rollouts, open loop")
    _save(figure, path)


def plot_failures(report: FidelityReport, path: Path) -> None:
    """Draws the frames around failures into a PNG: the twin's row over the dream's, the first wrong frame in red.

    Args:
        report: Its `strips` are drawn.
        path: The PNG; its folder is made where missing.
    """
    num_strips = len(report.strips)
    figure = Figure(figsize=(1.35 * _STRIP_COLUMNS, 0.6 + 3.1 * max(1, num_strips)), layout="constrained")
    if not num_strips:
        figure.text(0.5, 0.5, f"no failure in {len(report.scores)} rollouts", ha="center", va="center")
    else:
        panels = figure.subplots(2 * num_strips, _STRIP_COLUMNS, squeeze=False)
        for row, strip in enumerate(report.strips):
            _draw_strip(panels[2 * row], panels[2 * row + 1], strip)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=110)


def _legend(axes: Axes, num_columns: int) -> None:
    """Puts the legend under the axes, where it hides no curve."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=num_columns, fontsize="small", frameon=False)


def _steps(report: FidelityReport) -> np.ndarray:
    return np.arange(1, report.config.horizon + 1)


def _plot_state(axes: Axes, report: FidelityReport) -> None:
    steps, curve = _steps(report), report.state_curve
    axes.plot(steps, 100 * curve.share, color="tab:blue", label="dream")
    axes.fill_between(
        steps, 100 * curve.lower, 100 * curve.upper, color="tab:blue", alpha=0.2, linewidth=0, label="95 % interval"
    )
    axes.plot(steps, 100 * report.baseline_curve.share, color="grey", linestyle="--", label="first frame held")
    axes.set_title("whole state equal, % of running rollouts")
    axes.set_ylim(-2, 102)
    _legend(axes, 3)


def _plot_factors(axes: Axes, report: FidelityReport) -> None:
    lowest = 100.0
    curves = report.factor_curves
    for index, (name, curve) in enumerate(curves.items()):  # widths tell lines apart that lie on each other
        axes.plot(_steps(report), 100 * curve.share, label=name, linewidth=1 + 0.35 * (len(curves) - index))
        lowest = min(lowest, float(np.nanmin(100 * curve.share)))
    axes.set_title("equal by factor, %")
    span = max(100 - lowest, 1.0)
    axes.set_ylim(100 - 1.1 * span, 100 + 0.05 * span)
    _legend(axes, 4)


def _plot_psnr(axes: Axes, report: FidelityReport) -> None:
    axes.plot(_steps(report), report.psnr, color="tab:blue", label="dream")
    axes.plot(_steps(report), report.baseline_psnr, color="grey", linestyle="--", label="first frame held")
    axes.set_title("PSNR, dB")
    _legend(axes, 2)


def _draw_strip(real_row: np.ndarray, dream_row: np.ndarray, strip: FailureStrip) -> None:
    """Draws one failure into two rows of axes, titled with the texts that led to each frame."""
    failure = strip.failure
    for column in range(_STRIP_COLUMNS):
        for axes, frames in ((real_row[column], strip.real), (dream_row[column], strip.dream)):
            axes.set_xticks([])
            axes.set_yticks([])
            if column >= len(frames):
                axes.set_axis_off()
                continue
            axes.imshow(frames[column], interpolation="nearest")
            wrong = strip.first_step + column == failure.step
            for spine in axes.spines.values():
                spine.set_color("red" if wrong else "lightgrey")
                spine.set_linewidth(3 if wrong else 0.5)
        if column < len(strip.actions):
            step = strip.first_step + column
            real_row[column].set_title(f"{step}: {_wrap(strip.actions[column])}", fontsize=6)
    policy = failure.policy.rpartition(":")[2]
    real_row[0].set_ylabel(f"real\n#{failure.rollout} {policy}", fontsize=6)
    dream_row[0].set_ylabel(f"dream\nwrong: {_wrap(', '.join(failure.factors))}", fontsize=6)


def _wrap(text: str, width: int = 18) -> str:
    """Breaks a text in two lines and cuts what is longer."""
    if len(text) <= width:
        return text or '""'
    cut = text.rfind(" ", 0, width + 1)
    cut = cut if cut > 0 else width
    return text[:cut] + "\n" + text[cut:].strip()[:width]
