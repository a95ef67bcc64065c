"""World steps a second: Ray actors side by side against one process that steps as many worlds with as many threads.

Both act at random, in turns, so that a busy moment of the machine hits both. The actors' answers, observations of every
step, travel through Ray's object store, which is part of what is timed.

    python -m benchmarks.ray_throughput --num-workers 2 --num-envs 32
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import ray
import torch
import tyro
from numpy.typing import NDArray

from benchmarks.report import write_report
from wm_gym.checkpoint import read_card
from wm_gym.evaluation.provenance import machine
from wm_gym.ray_rollouts import RayRollouts

RESULTS = Path(__file__).parent / "results" / "ray_throughput.json"
ENV = "wm_gym:wm_gym/WorldDiscrete-v0"
ONE, ACTORS = "one process", "ray actors"


@dataclass(frozen=True, kw_only=True)
class RayThroughputConfig:
    """What to time.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        num_workers: Actors, each with one core; the one process has as many threads.
        num_envs: Worlds of each actor; the one process steps as many as all of them.
        max_episode_steps: Time limit, so that resets are part of what is timed.
        steps: Steps of each world in a round.
        rounds: How often both take turns; one more before them is not timed.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    num_workers: int = 2
    num_envs: int = 32
    max_episode_steps: int = 256
    steps: int = 8
    rounds: int = 5
    output: Path = RESULTS


class RandomActions:
    """A policy that draws actions for as many worlds as it sees."""

    def __init__(self, num_actions: int) -> None:
        self.num_actions = num_actions

    def __call__(self, observations: NDArray[Any]) -> NDArray[Any]:
        """An action a world."""
        return np.random.default_rng().integers(self.num_actions, size=len(observations))


def measure(config: RayThroughputConfig) -> dict[str, Any]:
    """Times both in turns; Ray must have been started.

    Returns:
        The results as JSON values.
    """
    torch.set_num_threads(config.num_workers)
    arguments: dict[str, Any] = {"checkpoint": config.checkpoint, "max_episode_steps": config.max_episode_steps}
    num_worlds = config.num_workers * config.num_envs
    envs: Any = gym.make_vec(ENV, num_worlds, **arguments)
    act = RandomActions(int(envs.single_action_space.n))
    observation, _ = envs.reset(seed=0)

    def step_alone() -> None:
        for _ in range(config.steps):
            envs.step(act(observation))

    with RayRollouts(ENV, config.num_workers, config.num_envs, **arguments) as rollouts:
        rollouts.reset(seed=0)
        cases: dict[str, Callable[[], Any]] = {ONE: step_alone, ACTORS: lambda: rollouts.sample(act, config.steps)}
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        for number in range(config.rounds + 1):
            for name, run in cases.items():
                began = time.perf_counter()
                run()
                if number:
                    seconds[name].append(time.perf_counter() - began)
    world_steps = num_worlds * config.steps
    rates = {name: sorted(world_steps / each for each in spent) for name, spent in seconds.items()}
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": read_card(config.checkpoint).weights_hash,
        **machine("cpu"),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "world_steps_per_second": {
            name: {"median": float(np.median(rate)), "min": rate[0], "max": rate[-1], "n": len(rate)}
            for name, rate in rates.items()
        },
        "actors_over_one_process": float(np.median(rates[ACTORS]) / np.median(rates[ONE])),
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    config = results["config"]
    shape = f"{config['num_workers']} actors x {config['num_envs']} worlds"
    lines = [
        f"{results['checkpoint']} on {results['device_name']}, {shape}",
        f"{'case':14}{'median':>9}{'min':>9}{'max':>9}   world steps/s",
    ]
    for name, rate in results["world_steps_per_second"].items():
        lines.append(f"{name:14}{rate['median']:9.0f}{rate['min']:9.0f}{rate['max']:9.0f}   n = {rate['n']}")
    return "\n".join([*lines, f"{ACTORS} against {ONE}: {results['actors_over_one_process']:.2f}x"])


def main(config: RayThroughputConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    ray.init(num_cpus=config.num_workers, include_dashboard=False, log_to_driver=False)
    try:
        results = measure(config)
    finally:
        ray.shutdown()
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(RayThroughputConfig, description=__doc__))
