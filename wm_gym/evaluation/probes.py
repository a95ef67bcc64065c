"""Probes: what a real world looks like before and while an action is held, and while nothing is done instead.

Each starts in a moment of a recording policy's episode. From that moment the twin idles for `probe_steps` steps, goes
back, holds each of its visible actions for as long, and goes back again. An action that looks like idling or like
another one there, such as a step into a wall, gives no probe: nobody could tell it from its frames.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, UInt8

from wm_gym.evaluation.rollouts import Walk, rollout_seed
from wm_gym.evaluation.twin import Env

CLIP_FRAMES = 4  # kept before an action; a model that looks further back sees the first of them standing still
MIN_CHANGE = 0.1  # mean 8-bit levels between the frames of two actions: less is nothing to be seen

_FIRST_WALK = (4, 64)  # steps from the reset to an episode's first moment, at least and at most
_NEXT_WALK = (2, 16)  # from each moment to the next
_MOMENTS = 12  # of an episode
_STREAM = 2  # of rollout_seed
_PATIENCE = 40  # moments for each probe asked for, before an action counts as one that never shows

Frames = UInt8[np.ndarray, "time height width channel"]


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What a world's probes hold.

    Attributes:
        world: Name of the world.
        visible: Names of the actions whose effect can be seen.
        idle: Name of the action that does nothing.
        num_steps: Steps for which each is held.
    """

    world: str
    visible: tuple[str, ...]
    idle: str
    num_steps: int

    @classmethod
    def of(cls, env: Env, num_steps: int | None = None) -> "Vocabulary":
        """Reads it off a twin.

        Args:
            env: The twin.
            num_steps: Other than the twin's own number of steps.

        Raises:
            ValueError: The env does not say which of its actions are visible.
        """
        simulator: Any = getattr(env.unwrapped, "simulator", None)
        try:
            return cls(
                world=str(simulator.world),
                visible=tuple(simulator.visible_actions),
                idle=str(simulator.actions.idle),
                num_steps=num_steps or int(simulator.probe_steps),
            )
        except AttributeError as error:
            raise ValueError(
                f"twin must say its visible_actions, probe_steps and idle action, got {env.unwrapped} ({error})"
            ) from error

    @property
    def names(self) -> tuple[str, ...]:
        """All actions that are told apart: the visible ones, then idling."""
        return (*self.visible, self.idle)


@dataclass(frozen=True, kw_only=True, eq=False)
class Probes:
    """Probes of one world: moments, and what every action leads to from there.

    Attributes:
        vocabulary: What they hold.
        clips: The frames up to each moment, `CLIP_FRAMES` of them.
        outcomes: The frames while each action is held, idling last.
        valid: Whether the episode went on that long.
        chosen: Whether the action is a case: it can be told there, and its share was not full.
    """

    vocabulary: Vocabulary
    clips: UInt8[np.ndarray, "moments clip height width channel"]
    outcomes: UInt8[np.ndarray, "moments actions steps height width channel"]
    valid: Bool[np.ndarray, "moments actions"]
    chosen: Bool[np.ndarray, "moments actions"]

    def cases(self) -> "Cases":
        """The chosen actions."""
        moments, labels = np.nonzero(self.chosen)
        return Cases(probes=self, moments=moments, labels=labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cases:
    """What a judge is shown: the frames before an action, the frames while it is held, and which it was.

    Attributes:
        probes: Where they come from.
        moments: The moment from which each starts.
        labels: Number of the action in `vocabulary.names`.
    """

    probes: Probes
    moments: Int[np.ndarray, " cases"]
    labels: Int[np.ndarray, " cases"]

    @property
    def vocabulary(self) -> Vocabulary:
        """The names of the actions."""
        return self.probes.vocabulary

    @property
    def clips(self) -> UInt8[np.ndarray, "cases clip height width channel"]:
        """The frames before."""
        return np.asarray(self.probes.clips[self.moments])

    @property
    def outcomes(self) -> UInt8[np.ndarray, "cases steps height width channel"]:
        """The real frames after."""
        return np.asarray(self.probes.outcomes[self.moments, self.labels])

    @property
    def names(self) -> list[str]:
        """The name of each case's action."""
        return [self.vocabulary.names[label] for label in self.labels]

    def select(self, chosen: Bool[np.ndarray, " cases"]) -> "Cases":
        """Some of the cases."""
        return Cases(probes=self.probes, moments=self.moments[chosen], labels=self.labels[chosen])


def collect_probes(
    env: Env,
    policy: str,
    *,
    num_probes: int,
    seed: int,
    num_steps: int | None = None,
    most_a_moment: int | None = None,
    on_probe: Callable[[int], object] = int,
) -> Probes:
    """Probes a twin until every action has its share.

    Args:
        env: The twin, from `make_twin`; it must be able to go back to a saved state.
        policy: Who leads from moment to moment, as "module:factory".
        num_probes: How many to collect, idling included, in equal shares. An action that hardly ever shows gets fewer.
        seed: Of the episodes.
        num_steps: Steps for which an action is held; None is the twin's own number.
        most_a_moment: Most actions that a moment gives, drawn among those that can be told; None is all.
        on_probe: Told how many probes each moment gave.

    Returns:
        The probes.

    Raises:
        ValueError: The twin cannot be probed.
    """
    vocabulary = Vocabulary.of(env, num_steps)
    collector = _Collector(env, vocabulary, -(-num_probes // len(vocabulary.names)))
    for episode in range(_PATIENCE * num_probes):
        walk = Walk(env, policy, seed=rollout_seed(seed, episode, stream=_STREAM), clip_frames=CLIP_FRAMES)
        rng = np.random.default_rng([seed, _STREAM, episode])
        for moment in range(_MOMENTS):
            least, most = _NEXT_WALK if moment else _FIRST_WALK
            walk.advance(int(rng.integers(least, most + 1)), least_age=CLIP_FRAMES - 1)
            on_probe(collector.probe(walk.clip, rng, most_a_moment))
            if collector.is_done:
                return collector.probes()
    return collector.probes()


class _Collector:
    """Probes moment after moment, until each action has its share."""

    def __init__(self, env: Env, vocabulary: Vocabulary, share: int) -> None:
        self._vocabulary = vocabulary
        self._twin: Any = env.unwrapped
        self._share = share
        self._counts = np.zeros(len(vocabulary.names), np.int64)
        self._clips: list[Frames] = []
        self._outcomes: list[UInt8[np.ndarray, "actions time height width channel"]] = []
        self._valid: list[Bool[np.ndarray, " actions"]] = []
        self._chosen: list[Bool[np.ndarray, " actions"]] = []
        self._tried = 0

    @property
    def is_done(self) -> bool:
        """Whether there are enough probes, or no hope for more."""
        return bool(self._counts.min() >= self._share or self._tried >= _PATIENCE * self._share)

    def probe(self, clip: Frames, rng: np.random.Generator, most: int | None) -> int:
        """Holds every action in the present moment, goes back to it, and returns how many probes it gave."""
        self._tried += 1
        saved = self._twin.clone_state(include_rng=True)
        found = []
        for name in self._vocabulary.names:
            found.append(self._hold(name))
            self._twin.restore_state(saved)
        outcomes = np.stack([frames for frames, _ in found])
        valid = np.asarray([goes_on for _, goes_on in found])
        chosen = valid & (self._counts < self._share) & _told(outcomes, valid)
        if not valid[-1] or not chosen[:-1].any():
            return 0
        if most is not None:
            chosen[rng.permutation(np.flatnonzero(chosen))[most:]] = False
        self._clips.append(clip)
        self._outcomes.append(outcomes)
        self._valid.append(valid)
        self._chosen.append(chosen)
        self._counts += chosen
        return int(chosen.sum())

    def probes(self) -> Probes:
        """All that was found.

        Raises:
            ValueError: Nothing was.
        """
        if not self._clips:
            raise ValueError(f"visible_actions must show, got none that does in {self._tried} moments")
        return Probes(
            vocabulary=self._vocabulary,
            clips=np.stack(self._clips),
            outcomes=np.stack(self._outcomes),
            valid=np.stack(self._valid),
            chosen=np.stack(self._chosen),
        )

    def _hold(self, name: str) -> tuple[Frames, bool]:
        """The last frame of each step of an action, in the twin's own words, and whether the episode goes on."""
        text = self._twin.action_phrases[name][0]
        frames: list[np.ndarray] = []
        terminated = False
        for _ in range(self._vocabulary.num_steps):
            if not terminated:
                observation, _, terminated, _, _ = self._twin.step(text)
            frames.append(observation[-1])
        return np.stack(frames), not terminated


def _told(
    outcomes: UInt8[np.ndarray, "actions time height width channel"], valid: Bool[np.ndarray, " actions"]
) -> Bool[np.ndarray, " actions"]:
    """Which actions can be told: a visible one differs from all others, and idling is always what it looks like."""
    told = np.ones(len(outcomes), dtype=bool)
    for number, own in enumerate(outcomes[:-1]):
        rivals = [frames for other, frames in enumerate(outcomes) if other != number and valid[other]]
        told[number] = all(change(own, frames) >= MIN_CHANGE for frames in rivals)
    return told


def change(frames: Frames, others: Frames) -> float:
    """How much two clips differ where they differ most, in mean 8-bit levels of a frame."""
    difference = np.abs(frames.astype(np.float32) - others.astype(np.float32))
    return float(difference.mean(axis=(1, 2, 3)).max())
