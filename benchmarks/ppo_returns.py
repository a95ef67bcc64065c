"""What PPO learns in a dream where episodes pay points: its real returns beside those of random actions.

Each run is set beside random policies that play its own episodes in the real twin, held out and reset alike.

    python -m policies.ppo --world carracing --checkpoint runs/carracing --layouts --curriculum None --output runs/race
    python -m benchmarks.ppo_returns --runs runs/race
"""

import math
from collections.abc import Mapping, Sequence
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
        ValueError: no run, one that is not finished, or runs in several worlds, layouts or lengths of an episode.
    """
    wanted = ("return", "standard_error", "n", "length", "seeds")
    runs = [read_run(folder, config=_CONFIG, final=wanted, curve="return") for folder in config.runs]
    played = {(run["config"]["world"], *run["final"], f"{run['config']['real_horizon']} steps") for run in runs}
    if len(played) != 1 or len(next(iter(played))) != 3:
        raise ValueError(
            f"runs must be at least one, in one world, one layout and one length, got {len(runs)} in {sorted(played)}"
        )
    for number, run in enumerate(runs):
        ((layout, run["final"]),) = run["final"].items()
        run["curve"] = [{"steps": point["steps"], "return": point[layout]} for point in run["curve"]]
        run["random"] = {name: _play(name, run, [config.seed, number]) for name in _BASELINES}
        best = max(run["random"].values(), key=lambda random: random["return"])
        run["standard_errors_above_random"] = _standard_errors_above(run["final"], best)
    return {"world": runs[0]["config"]["world"], "runs": runs}


def _play(name: str, run: Mapping[str, Any], seed: Sequence[int]) -> dict[str, float]:
    """Returns of a policy that does not look, in the episodes of a run."""
    options, seeds = run["config"], run["final"]["seeds"]
    config = PPOConfig(output=Path(), world=options["world"], layouts=tuple(options["layouts"]))
    horizon = options["real_horizon"]
    twins = [make_twin(config, index, split="test", horizon=horizon) for index in range(len(seeds))]
    texts = twins[0].get_wrapper_attr("get_action_meanings")()
    policy = _BASELINES[name](len(texts), np.random.default_rng(seed))
    returns = play_twins(policy, twins, texts=texts, seeds=seeds, max_steps=horizon).returns
    for twin in twins:
        twin.close()
    error = float(returns.std(ddof=1)) / math.sqrt(len(returns)) if len(returns) > 1 else 0.0
    return {"return": float(returns.mean()), "standard_error": error, "n": len(returns)}


def _standard_errors_above(played: Mapping[str, float], random: Mapping[str, float]) -> float | None:
    """Difference of two means in its standard errors, as if of episodes of their own; None where neither varies."""
    error = math.hypot(played["standard_error"], random["standard_error"])
    return (played["return"] - random["return"]) / error if error else None


def describe(results: Mapping[str, Any]) -> str:
    """A table of the results."""
    lines = [f"{'':24}{'return':>9}{'s.e.':>7}{'n':>6}{'steps':>9}{'minutes':>9}{'s.e. above random':>19}"]
    for run in results["runs"]:
        final, options, above = run["final"], run["config"], run["standard_errors_above_random"]
        lines.append(
            f"{options['env'] + ', seed ' + str(options['seed']):24}{final['return']:>9.1f}"
            f"{final['standard_error']:>7.1f}{final['n']:>6}{options['steps'] // 1000:>8}k{run['seconds'] / 60:>9.0f}"
            f"{'-' if above is None else f'{above:.1f}':>19}"
        )
        for name, random in run["random"].items():
            lines.append(
                f"{'  random, ' + name:24}{random['return']:>9.1f}{random['standard_error']:>7.1f}{random['n']:>6}"
            )
    return "\n".join(lines)


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Draws the real return by training step into a PNG."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    panel = figure.subplots()
    for run in results["runs"]:
        options = run["config"]
        label = f"trained in the {options['env']}, seed {options['seed']}"
        steps = [point["steps"] / 1000 for point in run["curve"]]
        panel.plot(steps, [point["return"] for point in run["curve"]], marker=".", label=label)
    for style, name in zip(("--", ":"), _BASELINES, strict=True):
        mean = np.mean([run["random"][name]["return"] for run in results["runs"]])
        panel.axhline(float(mean), color="gray", linestyle=style, label=f"random, {name}")
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
