"""Action sequences: from real moments, a few actions one after another, with what every other action would have led to.

Each round holds one action for as many steps as make its effect visible. Before it the twin tries them all and goes
back, so that each round comes with the real futures of its rivals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from wm_gym.evaluation.probes import CLIP_FRAMES, MIN_CHANGE, Vocabulary, change
from wm_gym.evaluation.rollouts import Walk, rollout_seed
from wm_gym.evaluation.twin import Env

_STREAM = 8  # of rollout_seed
_WALK = (4, 48)  # steps from the reset to a sequence, at least and at most
_PATIENCE = 20  # moments tried for each sequence asked for

Clip = UInt8[np.ndarray, "time height width 3"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """One action of a sequence, in the real world.

    Attributes:
        label: Number of the action in `Vocabulary.names`.
        before: The real frames that led to it.
        outcomes: The real frames while each action of `Vocabulary.names` is held; those of `label` are what happened.
        valid: Whether the episode goes on that long under each action.
    """

    label: int
    before: Clip
    outcomes: UInt8[np.ndarray, "actions steps height width 3"]
    valid: Bool[np.ndarray, " actions"]

    @property
    def true(self) -> UInt8[np.ndarray, "steps height width 3"]:
        """What happened."""
        return np.asarray(self.outcomes[self.label])


@dataclass(frozen=True, kw_only=True, eq=False)
class ActionSequence:
    """Some rounds one after another.

    Attributes:
        seed: Of the episode.
        clip: The frames before the first.
        rounds: In order.
    """

    seed: int
    clip: Clip
    rounds: tuple[Round, ...]


def collect_sequences(
    env: Env,
    policy: str,
    vocabulary: Vocabulary,
    *,
    num_sequences: int,
    num_rounds: int,
    seed: int,
    on_sequence: Callable[[], object] = int,
) -> list[ActionSequence]:
    """Collects sequences in which every action shows. The rarest action so far is taken where several do.

    Args:
        env: The twin, from `make_twin`; it must be able to go back to a saved state.
        policy: Who leads to the first round, as "module:factory".
        vocabulary: The actions.
        num_sequences: How many; fewer come where actions hardly ever show.
        num_rounds: Rounds of each.
        seed: Of the episodes.
        on_sequence: Called after each.
    """
    counts = np.zeros(len(vocabulary.names), np.int64)
    found: list[ActionSequence] = []
    for attempt in range(_PATIENCE * num_sequences):
        if len(found) == num_sequences:
            break
        episode_seed = rollout_seed(seed, attempt, stream=_STREAM)
        rng = np.random.default_rng([seed, _STREAM, attempt])
        walk = Walk(env, policy, seed=episode_seed, clip_frames=CLIP_FRAMES)
        walk.advance(int(rng.integers(_WALK[0], _WALK[1] + 1)), least_age=CLIP_FRAMES - 1)
        rounds = _play(env.unwrapped, vocabulary, walk.clip, num_rounds, counts, rng)
        if rounds is not None:
            counts += np.bincount([each.label for each in rounds], minlength=len(counts))
            found.append(ActionSequence(seed=episode_seed, clip=walk.clip, rounds=rounds))
            on_sequence()
    return found


def _play(
    twin: Any, vocabulary: Vocabulary, clip: Clip, num_rounds: int, counts: np.ndarray, rng: np.random.Generator
) -> tuple[Round, ...] | None:
    """Plays rounds from the present moment; None where no action shows in one of them."""
    rounds: list[Round] = []
    counts = counts.copy()
    for _ in range(num_rounds):
        outcomes, valid = _try_all(twin, vocabulary)
        shows = _shows(outcomes, valid)
        if not shows.any():
            return None
        order = rng.permutation(np.flatnonzero(shows))
        label = int(order[np.argmin(counts[order])])
        counts[label] += 1
        rounds.append(Round(label=label, before=clip, outcomes=outcomes, valid=valid))
        frames, _ = _hold(twin, vocabulary, label)
        clip = np.concatenate([clip, frames])[-len(clip) :]
    return tuple(rounds)


def _try_all(
    twin: Any, vocabulary: Vocabulary
) -> tuple[UInt8[np.ndarray, "actions steps height width 3"], Bool[np.ndarray, " actions"]]:
    saved = twin.clone_state(include_rng=True)
    tried = []
    for label in range(len(vocabulary.names)):
        tried.append(_hold(twin, vocabulary, label))
        twin.restore_state(saved)
    return np.stack([frames for frames, _ in tried]), np.asarray([goes_on for _, goes_on in tried], dtype=bool)


def _hold(twin: Any, vocabulary: Vocabulary, label: int) -> tuple[Clip, bool]:
    """The last frame of each step of an action, and whether the episode goes on."""
    text = twin.action_phrases[vocabulary.names[label]][0]
    frames: list[np.ndarray] = []
    terminated = False
    for _ in range(vocabulary.num_steps):
        if not terminated:
            observation, _, terminated, _, _ = twin.step(text)
        frames.append(observation[-1])
    return np.stack(frames), not terminated


def _shows(
    outcomes: UInt8[np.ndarray, "actions steps height width 3"], valid: Bool[np.ndarray, " actions"]
) -> Bool[np.ndarray, " actions"]:
    """Which actions but idling, the last, look like none of the others."""
    shows = np.zeros(len(outcomes), dtype=bool)
    for label in range(len(outcomes) - 1):
        rivals = [frames for other, frames in enumerate(outcomes) if other != label and valid[other]]
        shows[label] = valid[label] and all(change(outcomes[label], frames) >= MIN_CHANGE for frames in rivals)
    return shows
