"""Pictures of a transfer report: success in the dream against success in the real twin, and the lengths of episodes."""

from collections.abc import Callable
from pathlib import Path

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'matplotlib must be installed to plot; pip install "wm-gym[evaluate]" ({error})'
    ) from error

from wm_gym.evaluation.transfer_report import PolicyTransfer, Side, TransferReport


def plot_transfer(report: TransferReport, path: Path) -> None:
    """Draws the report into a PNG.

    Args:
        report: What to draw.
        path: The PNG; its folder is made where missing.
    """
    figure = Figure(figsize=(13, 5.4), layout="constrained")
    closed, replayed, lengths = figure.subplots(1, 3)
    _draw_success(closed, report, lambda policy: policy.dream)
    closed.set_title("each policy acts in the dream")
    closed.set_ylabel("success in the dream, %")
    _draw_success(replayed, report, lambda policy: policy.replayed)
    replayed.set_title("the actions of the real episodes, dreamed")
    replayed.set_ylabel("success under the same actions, %")
    _draw_lengths(lengths, report)
    figure.suptitle(
        f"{report.provenance['checkpoint']} against {report.provenance['twin']}, {len(report.seeds)} held-out episodes "
        f"a policy\n{report.summary()}"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=110)


def _draw_success(axes: Axes, report: TransferReport, side: Callable[[PolicyTransfer], Side]) -> None:
    """A point a policy, with 95 % intervals on both axes, over the line of equal success."""
    axes.plot([0, 100], [0, 100], color="grey", linestyle="--", linewidth=1, label="equal")
    for index, policy in enumerate(report.policies):
        real, other = policy.real, side(policy)
        axes.errorbar(
            100 * real.success,
            100 * other.success,
            xerr=_arms(real),
            yerr=_arms(other),
            fmt="o",
            color=f"C{index % 10}",
            markersize=5,
            elinewidth=0.8,
            alpha=0.9,
        )
    axes.set_xlabel("success in the real twin, %")
    axes.set_xlim(-4, 104)
    axes.set_ylim(-4, 104)
    axes.set_aspect("equal")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize="small", frameon=False)


def _arms(side: Side) -> list[list[float]]:
    """The interval as lengths below and above, in per cent."""
    lower, upper = side.interval
    return [[100 * max(0.0, side.success - lower)], [100 * max(0.0, upper - side.success)]]


def _draw_lengths(axes: Axes, report: TransferReport) -> None:
    """Two points a policy, its colour that of the other panels."""
    for index, policy in enumerate(report.policies):
        color = f"C{index % 10}"
        axes.plot([policy.real.mean_length, policy.dream.mean_length], [index, index], color=color, linewidth=1)
        axes.plot(policy.real.mean_length, index, "o", color=color)
        axes.plot(policy.dream.mean_length, index, "o", color=color, markerfacecolor="white")
    axes.set_yticks(range(len(report.policies)), [_short(policy.name) for policy in report.policies], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("mean steps (filled: real, open: dream)")
    axes.set_title("episode length")
    axes.grid(alpha=0.3)


def _short(name: str, width: int = 28) -> str:
    """The end of a long name, where paths differ."""
    return name if len(name) <= width else "..." + name[-width + 3 :]
