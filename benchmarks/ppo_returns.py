"""What PPO learns in a dream where episodes pay points: its real returns beside those of random actions.

All play the same held-out layouts of the real twin.

    python -m policies.ppo --world carracing --checkpoint runs/carracing --layouts --curriculum None --output runs/race
    python -m benchmarks.ppo_returns --runs runs/race
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from matplotlib.figure import Figure

from benchmarks.ppo_runs import read_run
from benchmarks.report import write_report
from policies.ppo_config import PPOConfig
from policies.ppo_worlds import make_twin
from policies.random import sticky, uniform
from wm_gym.evaluation.transfer_episodes import play_twins

RESULTS = Path(__file__).parent / "results"
_BASELINES = {"uniform": uniform, "sticky": sticky}
_CONFIG = (
    "env",
    "world",
    "layouts",
    "steps",
    "num_envs",
    "horizon",
    "temperature",
    "sample_outcomes",
    "gamma",
    "reward_scale",
    "real_horizon",
    "seed",
)


@dataclass(frozen=True, kw_only=True)
class PPOReturnsConfig:
    """What to compare.

    Attributes:
        runs: Folders of finished runs of `policies.ppo` in one world, such as those of several seeds.
        seed: Of the random actions.
        output: The JSON file; a picture of the curves is written beside it. None names it after the world.
    """

    runs: tuple[Path, ...]
    seed: int = 0
    output: Path | None = None


def measure(config: PPOReturnsConfig) -> dict[str, Any]:
    """Reads the runs and plays the random policies.

    Raises:
        ValueError: no run, one that is not finished, or runs in several worlds or in several layouts.
    """
    figures = ("return", "standard_error", "n", "length", "seeds")
    runs = [read_run(folder, config=_CONFIG, final=figures, curve="return") for folder in config.runs]
    worlds = {run["config"]["world"] for run in runs}
    if len(worlds) != 1 or any(len(run["final"]) != 1 for run in runs):
        layouts = sorted({layout for run in runs for layout in run["final"]})
        raise ValueError(
            f"runs must be at least one, in one world and one layout, got {len(runs)} in {sorted(worlds)} and {layouts}"
        )
    (world,) = worlds
    random = {name: _random(name, runs, config.seed) for name in _BASELINES}
    best = max(random.values(), key=lambda played: float(played["return"]))
    for run in runs:
        (run["final"],) = run["final"].values()
        run["curve"] = [{"steps": point.pop("steps"), "return": next(iter(point.values()))} for point in run["curve"]]
        run["standard_errors_above_random"] = _apart(run["final"], best)
    return {"world": world, "random": random, "runs": runs}


def _random(name: str, runs: list[dict[str, Any]], seed: int) -> dict[str, float]:
    """Returns of a policy that does not look, in the episodes of all runs."""
    returns = []
    for number, run in enumerate(runs):
        options = run["config"]
        config = PPOConfig(output=Path(), world=options["world"], layouts=tuple(options["layouts"]))
        (played,) = run["final"].values()
        horizon = options["real_horizon"]
        twins = [make_twin(config, index, split="test", horizon=horizon) for index in range(len(played["seeds"]))]
        texts = twins[0].get_wrapper_attr("get_action_meanings")()
        policy = _BASELINES[name](len(texts), np.random.default_rng([seed, number]))
        returns.append(play_twins(policy, twins, texts=texts, seeds=played["seeds"], max_steps=horizon).returns)
        for twin in twins:
            twin.close()
    points = np.concatenate(returns)
    error = float(points.std(ddof=1)) / math.sqrt(len(points)) if len(points) > 1 else 0.0
    return {"return": float(points.mean()), "standard_error": error, "n": len(points)}


def _apart(played: Mapping[str, float], random: Mapping[str, float]) -> float | None:
    """Difference of two means in its standard errors; None where neither varies."""
    error = math.hypot(played["standard_error"], random["standard_error"])
    return (played["return"] - random["return"]) / error if error else None


def describe(results: Mapping[str, Any]) -> str:
    """A table of the results."""
    lines = [f"{'':24}{'return':>9}{'s.e.':>7}{'n':>6}{'steps':>9}{'minutes':>9}{'s.e. above random':>19}"]
    for name, played in results["random"].items():
        lines.append(f"{'random, ' + name:24}{played['return']:>9.1f}{played['standard_error']:>7.1f}{played['n']:>6}")
    for run in results["runs"]:
        played, options, apart = run["final"], run["config"], run["standard_errors_above_random"]
        lines.append(
            f"{options['env'] + ', seed ' + str(options['seed']):24}{played['return']:>9.1f}"
            f"{played['standard_error']:>7.1f}{played['n']:>6}{options['steps'] // 1000:>8}k{run['seconds'] / 60:>9.0f}"
            f"{'-' if apart is None else f'{apart:.1f}':>19}"
        )
    return "\n".join(lines)


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Draws the real return by training step into a PNG."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    panel = figure.subplots()
    for run in results["runs"]:
        options = run["config"]
        label = f"trained in the {options['env']}, seed {options['seed']}"
        points = [(point["steps"] / 1000, point["return"]) for point in run["curve"]]
        panel.plot(*zip(*points, strict=True), marker=".", label=label)
    for style, (name, played) in zip(("--", ":"), results["random"].items(), strict=True):
        panel.axhline(played["return"], color="gray", linestyle=style, label=f"random, {name}")
    panel.set(title=results["world"], xlabel="thousand training steps", ylabel="real return")
    panel.grid(alpha=0.3)
    panel.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(config: PPOReturnsConfig) -> None:
    """Compares the runs, prints the table, writes the files."""
    results = measure(config)
    output = config.output or RESULTS / f"ppo_{results['world']}.json"
    write_report(results, output)
    plot(results, output.with_suffix(".png"))
    print(describe(results))


if __name__ == "__main__":
    main(tyro.cli(PPOReturnsConfig, description=__doc__))
