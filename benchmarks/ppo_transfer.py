"""What PPO learns in the dream, beside the same PPO in the real twin, both judged in the real twin.

python -m policies.ppo --starts data/doorkey data/empty --output runs/ppo
python -m policies.ppo --env real --starts data/doorkey data/empty --output runs/real
python -m benchmarks.ppo_transfer --dream runs/ppo --real runs/real
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.ppo_runs import read_run

RESULTS = Path(__file__).parent / "results" / "ppo_transfer.json"
_TITLES = {"dream": "trained in the dream", "real": "trained in the real twin"}
_CONFIG = ("env", "steps", "num_envs", "horizon", "curriculum", "real_horizon", "seed")


@dataclass(frozen=True, kw_only=True)
class PPOTransferConfig:
    """What to compare.

    Attributes:
        dream: Folder of a finished run of `policies.ppo` in the dream.
        real: Folder of the same run in the real twin.
        output: The JSON file; a picture of the curves is written beside it.
    """

    dream: Path
    real: Path
    output: Path = RESULTS


def read_success(folder: Path) -> dict[str, Any]:
    """A finished run with the figures that are compared here.

    Raises:
        ValueError: it is not finished.
    """
    return read_run(folder, config=_CONFIG, final=("success", "interval", "n", "length"), curve="success")


def check_alike(runs: dict[str, dict[str, Any]]) -> None:
    """Refuses to compare runs that were not of the same PPO.

    Raises:
        ValueError: a run was in the other world, or they differ in more than the world.
    """
    for name, run in runs.items():
        if run["config"]["env"] != name:
            raise ValueError(f"{name} must be a run with --env {name}, got one with --env {run['config']['env']}")
    dream, real = (run["config"] for run in runs.values())
    other = [name for name in _CONFIG if name != "env" and dream[name] != real[name]]
    if other or runs["dream"]["final"].keys() != runs["real"]["final"].keys():
        raise ValueError(f"both runs must be of the same PPO, got other {', '.join(other) or 'layouts'}; run one anew")


def compare(runs: dict[str, dict[str, Any]]) -> dict[str, float | None]:
    """Real success after training in the dream as a share of that after training in the real twin, by layout.

    None where the real twin taught nothing.
    """
    dream, real = (runs[name]["final"] for name in ("dream", "real"))
    shares = {layout: (dream[layout]["success"], played["success"]) for layout, played in real.items()}
    return {layout: own / other if other else None for layout, (own, other) in shares.items()}


def describe(runs: dict[str, dict[str, Any]]) -> str:
    """A table of the results."""
    lines = [f"{'':26}{'layout':>10}{'success':>9}  {'95 % interval':>14}{'n':>5}{'steps':>8}{'minutes':>9}"]
    for name, run in runs.items():
        for layout, played in run["final"].items():
            low, high = played["interval"]
            lines.append(
                f"{_TITLES[name]:26}{layout:>10}{played['success']:>9.2f}  {low:>7.2f}{high:>7.2f}{played['n']:>5}"
                f"{run['config']['steps'] // 1000:>7}k{run['seconds'] / 60:>9.0f}"
            )
    return "\n".join(lines)


def plot(runs: dict[str, dict[str, Any]], path: Path) -> None:
    """Draws real success by training step into a PNG, a panel a layout."""
    layouts = list(runs["dream"]["final"])
    figure = Figure(figsize=(5 * len(layouts), 3.4), layout="constrained")
    for panel, layout in zip(figure.subplots(1, len(layouts), squeeze=False)[0], layouts, strict=True):
        _plot_layout(panel, runs, layout)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _plot_layout(panel: Axes, runs: dict[str, dict[str, Any]], layout: str) -> None:
    for name, run in runs.items():
        steps = [point["steps"] / 1000 for point in run["curve"]]
        panel.plot(steps, [100 * point[layout] for point in run["curve"]], label=_TITLES[name])
    panel.set(title=layout, xlabel="thousand training steps", ylabel="real success, %", ylim=(-3, 103))
    panel.grid(alpha=0.3)
    panel.legend()


def main(config: PPOTransferConfig) -> None:
    """Compares two runs, prints the table, writes the files."""
    runs = {"dream": read_success(config.dream), "real": read_success(config.real)}
    check_alike(runs)
    config.output.parent.mkdir(parents=True, exist_ok=True)
    config.output.write_text(json.dumps({"dream_over_real": compare(runs), **runs}, indent=1) + "\n")
    plot(runs, config.output.with_suffix(".png"))
    print(describe(runs))


if __name__ == "__main__":
    main(tyro.cli(PPOTransferConfig))
