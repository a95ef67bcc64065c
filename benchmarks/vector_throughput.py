"""World steps a second: the native vector env by number of worlds, and as many single envs stepped in turn.

The single envs are Gymnasium's `SyncVectorEnv`, what `make_vec` gives where a project has no vector env. Both run
in the same process, in turns, with the same texts, seeds and time limit; episodes that end begin anew within the steps.

    python -m benchmarks.vector_throughput --checkpoint minigrid
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro

from benchmarks.report import write_report
from benchmarks.step_latency import Case
from wm_gym.checkpoint import read_card
from wm_gym.evaluation.provenance import machine

RESULTS = Path(__file__).parent / "results" / "vector_throughput.json"
ENV = "wm_gym:wm_gym/World-v0"
VECTOR, SINGLE = "vector env", "single envs in turn"


@dataclass(frozen=True, kw_only=True)
class VectorThroughputConfig:
    """What to time.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        world: A world of it; None takes the first.
        device: Where the model runs, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        num_envs: Numbers of worlds of the vector env.
        single_envs: Number of single envs; the vector env is compared at that number.
        max_episode_steps: Time limit, so that resets are part of what is timed.
        rounds: How often all cases take turns.
        steps: Steps of each case in a round; one more before them is not timed.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    world: str | None = None
    device: str = "cpu"
    threads: int | None = None
    num_envs: tuple[int, ...] = (1, 16, 64)
    single_envs: int = 64
    max_episode_steps: int = 256
    rounds: int = 4
    steps: int = 8
    output: Path = RESULTS


def batch_case(envs: gym.vector.VectorEnv[Any, Any, Any], texts: Sequence[str], name: str, denoising: int) -> Case:
    """Steps a vector env with texts in turn."""
    spoken = cycle(texts)
    envs.reset(seed=0)

    def step() -> Mapping[str, float]:
        envs.step([next(spoken) for _ in range(envs.num_envs)])
        return dict(getattr(envs, "latencies", {}))  # Gymnasium's has no stages

    return Case(name=name, batch=envs.num_envs, num_denoising_steps=denoising, step=step)


def build_cases(config: VectorThroughputConfig) -> list[Case]:
    """Builds everything that is timed: the vector env by size, then the single envs."""
    card = read_card(config.checkpoint)
    world = config.world or next(iter(card.worlds))
    texts = [phrase for phrases in card.worlds[world].action_phrases.values() for phrase in phrases]
    arguments: dict[str, Any] = {"world": world, "checkpoint": config.checkpoint, "device": config.device}
    cases = []
    for num_envs in sorted({*config.num_envs, config.single_envs}):
        envs = gym.make_vec(ENV, num_envs, max_episode_steps=config.max_episode_steps, **arguments)
        cases.append(batch_case(envs, texts, VECTOR, card.num_denoising_steps))
    in_turn = gym.make_vec(
        ENV,
        config.single_envs,
        vectorization_mode="sync",
        max_episode_steps=config.max_episode_steps,
        disable_env_checker=True,
        **arguments,
    )
    return [*cases, batch_case(in_turn, texts, SINGLE, card.num_denoising_steps)]


def measure(config: VectorThroughputConfig) -> dict[str, Any]:
    """Times all cases in turns, so that a busy moment of the machine hits all of them.

    Returns:
        The results as JSON values.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    card = read_card(config.checkpoint)
    cases = build_cases(config)
    for _ in range(config.rounds):
        for case in cases:
            case.run(config.steps)
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": card.weights_hash,
        "shape": [card.chunk_frames, *card.frame_size, 3],
        **machine(config.device),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "cases": [case.to_json() for case in cases],
        "speedup_over_single_envs": _speedup(cases, config.single_envs),
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [
        f"{results['checkpoint']} (chunk {results['shape']}) on {results['device_name']}, {results['threads']} threads",
        f"{'case':22}{'worlds':>7}{'median ms':>11}{'p95 ms':>9}{'world steps/s':>15}",
    ]
    for case in results["cases"]:
        lines.append(
            f"{case['case']:22}{case['batch']:7}{case['median_ms']:11.2f}{case['p95_ms']:9.2f}"
            f"{case['steps_per_second']:15.0f}"
        )
    speedup, worlds = results["speedup_over_single_envs"], results["config"]["single_envs"]
    return "\n".join([*lines, f"vector env against single envs in turn, at {worlds} worlds: {speedup:.2f}x"])


def main(config: VectorThroughputConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


def _speedup(cases: Sequence[Case], num_envs: int) -> float:
    """Returns how many times faster the vector env steps as many worlds."""
    medians = {case.name: float(np.median(case.milliseconds)) for case in cases if case.batch == num_envs}
    return medians[SINGLE] / medians[VECTOR]


if __name__ == "__main__":
    main(tyro.cli(VectorThroughputConfig, description=__doc__))
