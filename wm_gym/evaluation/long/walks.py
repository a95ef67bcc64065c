"""Long real walks: what a policy did for thousands of steps in the twin, with the last frames before a few of them."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from wm_gym.evaluation.rollouts import Lead, Walk, load_policy
from wm_gym.evaluation.twin import Env, State, has_states, real_twin

WINDOW_FRAMES = 6
"""Frames that are looked at where the drift is read: the last ones up to that step."""

Window = UInt8[np.ndarray, "time height width 3"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Beginning:
    """How an episode, or what is kept of it, began.

    Attributes:
        frame: The first one.
        state: Its state; None where the twin cannot tell.
    """

    frame: UInt8[np.ndarray, "height width 3"]
    state: State | None


@dataclass(frozen=True, kw_only=True, eq=False)
class LongWalk:
    """A walk that is too long to keep. Where the episode ends, the next one begins; a dream goes on.

    Attributes:
        seed: The reset's seed.
        clip: The frames that led to the first observation, and those of it.
        start: What the first observation shows.
        actions: All the texts and numbers.
        rewards: The reward of each step.
        ended: Whether the step ended an episode.
        windows: By step, counted from 1: up to `WINDOW_FRAMES` frames of one episode, the last of which shows the step.
        beginnings: By step, how the episode of its window began: other layouts follow one that ends.
        states: By step, the true state.
    """

    seed: int
    clip: UInt8[np.ndarray, "frames height width channel"]
    start: Beginning
    actions: tuple[Any, ...]
    rewards: Float32[np.ndarray, " steps"]
    ended: Bool[np.ndarray, " steps"]
    windows: dict[int, Window]
    beginnings: dict[int, Beginning]
    states: dict[int, State]


def collect_walk(
    env: Env, policy: str, *, seed: int, keep: tuple[int, ...], lead: Lead, policy_stream: int = 1
) -> LongWalk:
    """Walks as far as the last step to keep.

    Args:
        env: The twin, from `make_twin`.
        policy: Who acts, as "module:factory".
        seed: Of the reset and of the policy.
        keep: The steps, counted from 1, to keep windows of.
        lead: What goes before.
        policy_stream: Another number gives another walk from the same start.
    """
    walk = Walk(env, policy, seed=seed, clip_frames=lead.clip_frames)
    least, most = lead.steps
    walk.advance(int(np.random.default_rng([seed, 2]).integers(least, most + 1)), least_age=least)
    walk.policy = load_policy(policy)(env, np.random.default_rng([seed, 7, policy_stream]))
    clip = walk.clip
    start = beginning = Beginning(frame=clip[-1], state=_state(env))
    recent: deque[np.ndarray] = deque(maxlen=WINDOW_FRAMES)
    actions: list[Any] = []
    rewards, ended = np.zeros(keep[-1], np.float32), np.zeros(keep[-1], bool)
    windows: dict[int, Window] = {}
    beginnings: dict[int, Beginning] = {}
    states: dict[int, State] = {}
    for step in range(1, keep[-1] + 1):
        action, rewards[step - 1], _ = walk.step()
        actions.append(action)
        recent.append(walk.observation[-1])
        if step in keep:
            windows[step], beginnings[step] = np.stack(recent), beginning
            if (state := _state(env)) is not None:
                states[step] = state
        if walk.over:
            ended[step - 1] = True
            walk.restart()
            beginning = Beginning(frame=walk.observation[-1], state=_state(env))
            recent.clear()
    return LongWalk(
        seed=seed,
        clip=clip,
        start=start,
        actions=tuple(actions),
        rewards=rewards,
        ended=ended,
        windows=windows,
        beginnings=beginnings,
        states=states,
    )


def _state(env: Env) -> State | None:
    return real_twin(env).state() if has_states(env) else None
