"""A soak of the native vector env: a million steps of random actions, and what became of memory and worlds.

Worlds that end are reset, alone. Memory must be flat after the warm-up, every number finite, and no world dead: one
that shows the same picture through all of an episode, whatever is done. The JSON is written at every report, so that a
soak that is stopped keeps what it saw.

    python -m benchmarks.vector_soak --checkpoint minigrid
    python -m benchmarks.vector_soak --num-envs 4 --seconds 60 --output /tmp/soak.json    # for a look
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from wm_gym.checkpoint import read_card
from wm_gym.evaluation.provenance import machine

RESULTS = Path(__file__).parent / "results" / "vector_soak.json"
ENV = "wm_gym:wm_gym/WorldDiscrete-v0"
LEAST_EPISODE = (
    16  # steps from which an unchanged picture is no chance: a wall to all sides, or actions that do nothing
)


@dataclass(frozen=True, kw_only=True)
class VectorSoakConfig:
    """What to run, and for how long.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        world: A world of it; None takes the first.
        device: Where the model runs, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        num_envs: Worlds of the vector env.
        steps: Steps of the vector env.
        seconds: Stops earlier, after so long; None does not.
        warm_up: Steps before memory counts.
        max_episode_steps: Time limit of a world.
        report_every: Steps from a report, and a measurement of memory, to the next.
        seed: Of the worlds and the actions.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    world: str | None = None
    device: str = "cpu"
    threads: int | None = None
    num_envs: int = 64
    steps: int = 1_000_000
    seconds: float | None = None
    warm_up: int = 512
    max_episode_steps: int = 256
    report_every: int = 64
    seed: int = 0
    output: Path = RESULTS


@dataclass(kw_only=True)
class Health:
    """What was seen of the worlds so far.

    Attributes:
        episodes: Ended.
        not_finite: Steps of a world with a reward, an uncertainty or a probability that is not finite.
        dead: Episodes of at least `LEAST_EPISODE` steps in which no pixel ever changed.
        before: What each world showed last.
        changed: Whether each world's picture ever changed in its episode.
        lengths: Steps of each world's episode so far.
    """

    before: NDArray[np.uint8]
    changed: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    episodes: int = 0
    not_finite: int = 0
    dead: int = 0

    @classmethod
    def of(cls, observations: NDArray[np.uint8]) -> "Health":
        """Worlds that have just begun."""
        count = len(observations)
        return cls(before=observations, changed=np.zeros(count, np.bool_), lengths=np.zeros(count, np.int64))

    def see(
        self, observations: NDArray[np.uint8], numbers: Mapping[str, NDArray[Any]], ended: NDArray[np.bool_]
    ) -> None:
        """Takes note of a step.

        Args:
            observations: After it, of each world.
            numbers: Whatever must be finite, by name, each with the worlds first.
            ended: Which worlds' episodes it ended.
        """
        self.changed |= (observations != self.before).reshape(len(ended), -1).any(axis=1)
        self.lengths += 1
        finite = [np.isfinite(value).reshape(len(ended), -1).all(axis=1) for value in numbers.values()]
        self.not_finite += int((~np.logical_and.reduce(finite)).sum())
        self.episodes += int(ended.sum())
        self.dead += int((ended & ~self.changed & (self.lengths >= LEAST_EPISODE)).sum())
        self.before = observations

    def begin(self, observations: NDArray[np.uint8], rows: NDArray[np.bool_]) -> None:
        """Some worlds have begun anew."""
        self.before = observations
        self.changed[rows] = False
        self.lengths[rows] = 0


@dataclass(kw_only=True)
class Memory:
    """Memory of this process after the warm-up, in bytes: (step, resident, on the accelerator)."""

    samples: list[tuple[int, int, int]] = field(default_factory=list)

    def measure(self, step: int) -> None:
        """Takes a sample."""
        on_device = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
        self.samples.append((step, resident_bytes(), on_device))

    def growth(self) -> float | None:
        """The median of the last tenth of the samples over that of the first, less 1; None before there are two."""
        if len(self.samples) < 2:
            return None
        tenth = -(-len(self.samples) // 10)
        totals = [resident + on_device for _, resident, on_device in self.samples]
        return float(np.median(totals[-tenth:]) / np.median(totals[:tenth]) - 1)


def resident_bytes() -> int:
    """Memory that this process holds, as Linux counts it.

    Raises:
        RuntimeError: elsewhere.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError as error:
        raise RuntimeError(f"the soak must run on Linux to see its memory, got {error}; run it there") from error
    return pages * os.sysconf("SC_PAGE_SIZE")


def soak(config: VectorSoakConfig) -> dict[str, Any]:
    """Steps until the end, and writes and prints a report every so often.

    Returns:
        The last report as JSON values.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    envs: Any = gym.make_vec(
        ENV,
        config.num_envs,
        world=config.world,
        checkpoint=config.checkpoint,
        device=config.device,
        max_episode_steps=config.max_episode_steps,
        autoreset_mode=AutoresetMode.DISABLED,
    )
    facts = {
        "checkpoint": config.checkpoint,
        "weights_hash": read_card(config.checkpoint).weights_hash,
        **machine(config.device),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
    }
    rng = np.random.default_rng(config.seed)
    health, memory = Health.of(envs.reset(seed=config.seed)[0]), Memory()
    began = time.perf_counter()
    report: dict[str, Any] = {}
    for step in range(1, config.steps + 1):
        _step(envs, health, rng)
        late = config.seconds is not None and time.perf_counter() - began >= config.seconds
        if step % config.report_every == 0 or late or step == config.steps:
            if step >= config.warm_up:
                memory.measure(step)
            report = facts | _report(health, memory, config, step, time.perf_counter() - began)
            _write(report, config.output)
            print(render(report), flush=True)
        if late:
            break
    envs.close()
    return report


def _step(envs: Any, health: Health, rng: np.random.Generator) -> None:
    """One step of all worlds, and a reset of those that it ended."""
    actions = rng.integers(int(envs.single_action_space.n), size=envs.num_envs)
    observations, rewards, terminated, truncated, infos = envs.step(actions)
    ended = terminated | truncated
    numbers = {name: infos[name] for name in ("uncertainty", "termination_probability")}
    health.see(observations, {"rewards": rewards, **numbers}, ended)
    if ended.any():
        health.begin(envs.reset(options={"reset_mask": ended})[0], ended)


def _report(health: Health, memory: Memory, config: VectorSoakConfig, step: int, seconds: float) -> dict[str, Any]:
    growth = memory.growth()
    return {
        "vector_steps": step,
        "world_steps": step * config.num_envs,
        "seconds": seconds,
        "world_steps_per_second": step * config.num_envs / seconds,
        "episodes": health.episodes,
        "not_finite": health.not_finite,
        "dead_episodes": health.dead,
        "memory_mib": (memory.samples[-1][1] if memory.samples else resident_bytes()) / 2**20,
        "memory_growth_percent": None if growth is None else 100 * growth,
        "memory_samples": len(memory.samples),
    }


def render(report: Mapping[str, Any]) -> str:
    """Returns a report as a line."""
    growth = report["memory_growth_percent"]
    told = "warming up" if growth is None else f"{growth:+.2f} % over {report['memory_samples']} samples"
    return (
        f"{report['vector_steps']:,} vector steps ({report['world_steps']:,} of a world) in {report['seconds']:.0f} s, "
        f"{report['world_steps_per_second']:.0f}/s: memory {report['memory_mib']:.0f} MiB, {told}; "
        f"{report['not_finite']} not finite; {report['dead_episodes']} dead of {report['episodes']} episodes"
    )


def _write(report: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


if __name__ == "__main__":
    soak(tyro.cli(VectorSoakConfig, description=__doc__))
