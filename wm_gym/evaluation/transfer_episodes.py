"""Whole episodes of a policy that sees pictures: in many real twins at once, and in a batch of dreams.

A policy is a function of a batch of observations, so that one object plays on both sides. Worlds that ended leave the
batch: weak policies, whose episodes are long, cost no more than they must.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64, UInt8
from numpy.typing import NDArray

from wm_gym.evaluation.twin import Env
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel

Frames: TypeAlias = UInt8[np.ndarray, "batch height width 3"]
BatchPolicy: TypeAlias = Callable[[Any], NDArray[Any]]
"""Observations (batch, height, width, 3) -> the number of an action for each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Episodes:
    """What came of n episodes.

    Attributes:
        starts: The first chunk of each.
        actions: The actions of each, by number.
        returns: The sum of rewards of each.
    """

    starts: UInt8[np.ndarray, "n frames height width 3"]
    actions: tuple[tuple[int, ...], ...]
    returns: Float64[np.ndarray, " n"]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each."""
        return np.array([len(actions) for actions in self.actions], np.int64)

    def successes(self, success_return: float) -> NDArray[np.bool_]:
        """Which of them returned at least so much."""
        reached: NDArray[np.bool_] = self.returns >= success_return
        return reached


@dataclass(frozen=True, kw_only=True)
class DreamWorld:
    """A world model as policies with numbered actions step it.

    Attributes:
        model: The world model.
        texts: What each action says, by number.
        sampling: How steps are drawn.
    """

    model: WorldModel
    texts: tuple[str, ...]
    sampling: StepArguments


def play_twins(
    policy: BatchPolicy, envs: Sequence[Env], *, texts: Sequence[str], seeds: Sequence[int], max_steps: int
) -> Episodes:
    """Plays one episode in each of some real twins, side by side.

    Args:
        policy: Who acts.
        envs: Twins with text actions, one a world; their own time limits hold too.
        texts: What each action says, by number.
        seeds: Of their resets.
        max_steps: The most steps of an episode.
    """
    starts = np.stack([env.reset(seed=seed)[0] for env, seed in zip(envs, seeds, strict=True)])
    returns = np.zeros(len(envs))
    actions: list[list[int]] = [[] for _ in envs]
    running, chunks = list(range(len(envs))), list(starts)
    for _ in range(max_steps):
        if not running:
            break
        chosen = policy(np.stack([chunk[-1] for chunk in chunks]))
        still, chunks = [], []
        for row, action in zip(running, chosen, strict=True):
            chunk, reward, terminated, truncated, _ = envs[row].step(texts[int(action)])
            actions[row].append(int(action))
            returns[row] += float(reward)
            if not (terminated or truncated):
                still.append(row)
                chunks.append(chunk)
        running = still
    return Episodes(starts=starts, actions=tuple(map(tuple, actions)), returns=returns)


def play_dreams(
    policy: BatchPolicy,
    dream: DreamWorld,
    *,
    starts: UInt8[np.ndarray, "n frames height width 3"],
    seeds: Sequence[int],
    max_steps: int,
) -> Episodes:
    """Plays one episode in each of a batch of dreams.

    Args:
        policy: Who acts.
        dream: Where.
        starts: The chunks that the dreams begin at.
        seeds: Of the dreams' noise.
        max_steps: The most steps of an episode.
    """

    def choose(rows: NDArray[Any], step: int, frames: Any) -> list[int]:
        return [int(action) for action in policy(frames)]

    return _dream(choose, dream, starts, seeds, np.full(len(starts), max_steps))


def replay_in_dreams(dream: DreamWorld, episodes: Episodes, *, seeds: Sequence[int]) -> Episodes:
    """Takes the actions of some episodes again, in dreams that begin where they began.

    A dream may end before its actions do; it never goes on after them.
    """

    def choose(rows: NDArray[Any], step: int, frames: Any) -> list[int]:
        return [episodes.actions[row][step] for row in rows]

    return _dream(choose, dream, episodes.starts, seeds, episodes.lengths)


def _dream(
    choose: Callable[[NDArray[Any], int, Any], list[int]],
    dream: DreamWorld,
    starts: NDArray[np.uint8],
    seeds: Sequence[int],
    limits: NDArray[np.int64],
) -> Episodes:
    """Steps dreams until each has ended or reached its limit.

    Args:
        choose: (rows that still run, steps taken, what they show) -> an action for each.
        dream: where.
        starts: the first chunks.
        seeds: of the noise.
        limits: the most steps of each, at least 1.
    """
    returns = np.zeros(len(starts))
    actions: list[list[int]] = [[] for _ in starts]
    rows, frames, step = np.arange(len(starts)), starts[:, -1], 0
    state = dream.model.reset(starts, seeds=seeds)
    while len(rows):
        chosen = choose(rows, step, frames)
        state, output = dream.model.step(
            state,
            [dream.texts[action] for action in chosen],
            **dream.sampling.keywords(),
        )
        step += 1
        for row, action in zip(rows, chosen, strict=True):
            actions[row].append(action)
        returns[rows] += output.reward.cpu().numpy()
        kept = np.flatnonzero(~output.terminated.cpu().numpy() & (step < limits[rows]))
        rows, frames = rows[kept], output.frames[:, -1].cpu().numpy()[kept]
        if 0 < len(kept) < state.batch_size:
            state = state.select(kept.tolist())
    return Episodes(starts=starts, actions=tuple(map(tuple, actions)), returns=returns)
