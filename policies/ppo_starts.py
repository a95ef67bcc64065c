"""Start states from recorded data: where episodes begin while PPO trains, and how that moves away from the goal.

A learned world begins at any picture; the real twin gets to the same state by the recorded actions. So the dreamed and
the real training draw their starts from one distribution. The reverse curriculum is that of arXiv 1707.05300, over
recorded states: the first episodes begin a step before a recorded success, later ones further away. Half of them begin
on the frontier: drawn evenly, most starts would be near a success, and what lies far from it would hardly be practised.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8
from stable_baselines3.common.callbacks import BaseCallback

from wm_gym.data.dataset import Dataset

FEWEST_EPISODES = 128
"""Episodes that a success rate is taken over before the starts move."""

FRONTIER = 0.7
"""Open starts further away than this share of the reach are the frontier."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A step of a recorded episode that is not over.

    Attributes:
        chunk: the observation there.
        seed: of the episode's reset.
        actions: the texts that led there from the reset.
        arguments: those of the recorded env, as in the manifest: value as JSON by name.
        distance: steps that the recording took from here to its success; infinite where it had none.
    """

    chunk: UInt8[np.ndarray, "frames height width 3"]
    seed: int
    actions: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...]
    distance: float


def draw_starts(datasets: Sequence[Dataset], num_starts: int, *, seed: int, layouts: Sequence[str] = ()) -> list[Start]:
    """Draws episodes evenly, and a step of each evenly: starts lie anywhere on the way of whoever was recorded.

    Args:
        datasets: recorded in a real twin.
        num_starts: how many.
        seed: of the draw.
        layouts: only episodes whose `info["layout"]` is one of these; empty takes all.

    Returns:
        The starts, the nearest to a success first.

    Raises:
        ValueError: no episode has one of the layouts, or episodes do not tell their seed.
    """
    recorded = [(dataset.manifest.env_arguments, episode) for dataset in datasets for episode in dataset]
    episodes = [pair for pair in recorded if not layouts or pair[1].info.get("layout") in layouts]
    if not episodes or any(episode.seed is None for _, episode in episodes):
        raise ValueError(
            f"starts must be datasets with seeds and episodes of {', '.join(layouts) or 'any layout'}, got none in "
            f"{', '.join(str(dataset.folder) for dataset in datasets)}; record one with `wm-gym record`"
        )
    rng = np.random.default_rng(seed)
    starts = []
    for index in np.resize(rng.permutation(len(episodes)), num_starts):
        arguments, episode = episodes[index]
        step = int(rng.integers(episode.num_steps))  # before the last observation, which may be the end
        distance = episode.num_steps - step if episode.rewards[-1] > 0 else math.inf
        assert episode.seed is not None, "checked above"
        starts.append(
            Start(
                chunk=episode.observations[step],
                seed=episode.seed,
                actions=episode.actions[:step],
                arguments=tuple(sorted(arguments.items())),
                distance=distance,
            )
        )
    return sorted(starts, key=lambda start: start.distance)


class StartBank:
    """Which starts are open: those at most `reach` steps before a success.

    Attributes:
        starts: all of them, the nearest to a success first; at least one.
        reach: in steps.
        num_open: starts that episodes begin in, the first of them.
        rows: what to draw from evenly: the open starts, and as often again those of the frontier. Once all are open,
            the frontier is where recorded episodes began.
    """

    def __init__(self, starts: Sequence[Start], reach: float) -> None:
        self.starts = list(starts)
        self.open(reach)

    def open(self, reach: float) -> None:
        """Open the starts up to a distance, at least the nearest ones."""
        distances = [start.distance for start in self.starts]
        self.reach = max(reach, distances[0])
        self.num_open = int(np.searchsorted(distances, self.reach, side="right"))
        everywhere = np.arange(self.num_open)
        if self.reach < math.inf:
            frontier = everywhere[np.array(distances[: self.num_open]) > FRONTIER * self.reach]
        else:
            frontier = np.array([row for row in everywhere if not self.starts[row].actions], np.int64)
        self.rows = np.concatenate([everywhere, np.resize(frontier, len(everywhere) if len(frontier) else 0)])

    def widen(self) -> None:
        """Open the starts a little further away, at last all of them."""
        finite = [start.distance for start in self.starts if start.distance < math.inf]
        further = max(self.reach + 1, 1.15 * self.reach)
        self.open(further if finite and self.reach < finite[-1] else math.inf)


class OpenChunks:
    """Where episodes begin, as often as a bank has it, for the argument `starts` of a learned world."""

    def __init__(self, bank: StartBank) -> None:
        self._bank = bank

    def __len__(self) -> int:
        return len(self._bank.rows)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "frames height width 3"]:
        start: Start = self._bank.starts[self._bank.rows[index]]
        return start.chunk


class ReverseCurriculum(BaseCallback):
    """Moves the starts away from the goal each time that PPO succeeds often enough from where they are.

    Args:
        bank: the starts.
        threshold: share of episodes that must succeed.
        success_return: an episode with at least this return is a success.
    """

    def __init__(self, bank: StartBank, threshold: float, success_return: float) -> None:
        super().__init__()
        self._bank = bank
        self._threshold = threshold
        self._success_return = success_return
        self._wins: list[bool] = []

    def _on_step(self) -> bool:
        self._wins += [
            float(info["episode"]["r"]) >= self._success_return for info in self.locals["infos"] if "episode" in info
        ]
        return True

    def _on_rollout_end(self) -> None:
        recent = self._wins[-4 * FEWEST_EPISODES :]
        if len(recent) >= FEWEST_EPISODES and np.mean(recent) >= self._threshold and self._bank.reach < math.inf:
            self._bank.widen()
            self._wins = []


def replay(starts: Sequence[Start], twin_id: str) -> list[dict[str, Any]]:
    """States of the real twin, for its `restore_state`, in which these starts are.

    Args:
        starts: from a recording of that twin.
        twin_id: the twin with text actions.

    Raises:
        ValueError: the twin shows something else after the recorded actions.
    """
    envs: dict[tuple[tuple[str, str], ...], Any] = {}
    states: list[dict[str, Any]] = [{}] * len(starts)
    said: tuple[Any, ...] = ()
    of_episode: tuple[Any, ...] = ()
    for index in sorted(range(len(starts)), key=lambda index: _place(starts[index])):
        start = starts[index]
        if start.arguments not in envs:
            arguments = {name: json.loads(value) for name, value in start.arguments}
            envs[start.arguments] = gym.make(twin_id, disable_env_checker=True, **arguments).unwrapped
        env = envs[start.arguments]
        if of_episode != (start.arguments, start.seed) or not _goes_on(start.actions, said):
            of_episode, said = (start.arguments, start.seed), ()
            observation, _ = env.reset(seed=start.seed)
        for action in start.actions[len(said) :]:
            observation = env.step(action)[0]
        said = start.actions
        if not np.array_equal(observation, start.chunk):
            raise ValueError(
                f"starts must be recorded in {twin_id} as it is now, got another picture after {len(start.actions)} "
                f"actions of seed {start.seed}; record anew"
            )
        states[index] = env.clone_state()
    for env in envs.values():
        env.close()
    return states


def _place(start: Start) -> tuple[tuple[tuple[str, str], ...], int, int]:
    """Sorts the starts of an episode behind each other, so that it is played once."""
    return start.arguments, start.seed, len(start.actions)


def _goes_on(actions: Sequence[Any], said: Sequence[Any]) -> bool:
    """Whether `said` is how the actions begin; several recordings may begin with the same seed."""
    return len(said) <= len(actions) and all(map(np.array_equal, said, actions))


class ReplayedStarts(gym.Wrapper[Any, Any, Any, Any]):
    """Begins each episode of a real twin in one of the open starts.

    Args:
        env: a real twin with numbered actions.
        bank: the starts.
        states: from `replay`, in the bank's order.
    """

    def __init__(self, env: gym.Env[Any, Any], bank: StartBank, states: Sequence[dict[str, Any]]) -> None:
        super().__init__(env)
        self._bank = bank
        self._states = states

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode; its start is drawn from `np_random`."""
        _, info = self.env.reset(seed=seed, options=options)
        twin: Any = self.unwrapped
        twin.restore_state(self._states[int(twin.np_random.choice(self._bank.rows))])
        return twin.simulator.frame(), info
