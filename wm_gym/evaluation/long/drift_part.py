"""The long dreams: drift, smoothness, consistency and rewards as they go on."""

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from wm_gym.evaluation.long.consistency import progressive_mean
from wm_gym.evaluation.long.drift import DriftReading, WorldWindows, read_drift
from wm_gym.evaluation.long.reward_drift import reward_drift
from wm_gym.evaluation.long.stage import Stage
from wm_gym.evaluation.long.validity import Validity
from wm_gym.evaluation.long.walks import WINDOW_FRAMES, LongWalk, Window, collect_walk
from wm_gym.evaluation.rollouts import rollout_seed

Pictures = dict[str, np.ndarray]
Keep = Callable[[dict[str, Any], Pictures], object]

_STREAM = 7  # of rollout_seed
_SHOWN = 3  # worlds on the contact sheet


def measure_drift_part(stage: Stage, keep: Keep) -> None:
    """Dreams `long_rollouts` worlds for `long_steps` steps and reads them on the way.

    Args:
        stage: The world.
        keep: Given all that is known, and the pictures, after every reading.
    """
    walks, others = _collect(stage)
    worlds = len(walks)
    validity = Validity.of(stage.env, stage.config.world)
    steps = stage.long.read_at
    rewards, ends = np.zeros((worlds, steps[-1]), np.float32), np.zeros((worlds, steps[-1]), bool)
    recent: deque[np.ndarray] = deque(maxlen=WINDOW_FRAMES)
    readings: list[DriftReading] = []
    pictures: Pictures = {"steps": np.zeros(0, np.int64)}
    stage.say("dreaming for long")
    speech = stage.speech
    actions = [speech.translate(walk.actions, seed=walk.seed) for walk in walks]
    dreams = stage.dream([walk.clip for walk in walks], [walk.seed for walk in walks], actions)
    for step, dreamed in enumerate(dreams, start=1):
        recent.append(dreamed.frames)
        rewards[:, step - 1], ends[:, step - 1] = dreamed.rewards, dreamed.terminated
        if step not in steps:
            continue
        windows = np.stack(recent, axis=1)
        readings.append(
            read_drift(step, [_windows(*each, step) for each in zip(walks, others, windows, strict=True)], validity)
        )
        pictures = _with(pictures, step, walks, windows, validity)
        keep(_summary(stage, walks, readings, rewards, ends), pictures)


def _collect(stage: Stage) -> tuple[list[LongWalk], list[LongWalk]]:
    """The walks, and other walks in the same layouts."""
    stage.say("walking in the real twin")
    found = []
    for stream in (1, 2):
        found.append(
            [
                collect_walk(
                    stage.env,
                    stage.policy,
                    seed=rollout_seed(stage.config.seed, index, stream=_STREAM),
                    keep=stage.long.read_at,
                    lead=stage.lead,
                    policy_stream=stream,
                )
                for index in range(stage.long.long_rollouts)
            ]
        )
    return found[0], found[1]


def _windows(walk: LongWalk, other: LongWalk, dreamed: Window, step: int) -> WorldWindows:
    goes_on = not walk.ended[:step].any()
    return WorldWindows(
        dream=dreamed,
        real=walk.windows[step],
        other=other.windows[step],
        start=walk.start,
        real_start=walk.beginnings[step],
        state=walk.states.get(step) if goes_on else None,
    )


def _summary(
    stage: Stage, walks: list[LongWalk], readings: list[DriftReading], rewards: np.ndarray, ends: np.ndarray
) -> dict[str, Any]:
    last = readings[-1].step
    segments = reward_drift(
        rewards[:, :last],
        np.stack([walk.rewards[:last] for walk in walks]),
        ends[:, :last],
        np.stack([walk.ended[:last] for walk in walks]),
        read_at=[each.step for each in readings],
        reward_range=stage.card.reward_range,
    )
    return {
        "readings": [each.to_json() for each in readings],
        "consistency": progressive_mean([each.consistency for each in readings]),
        "real_consistency": progressive_mean([each.real_consistency for each in readings]),
        "rewards": [each.to_json() for each in segments],
        "policy": stage.policy,
    }


def _with(
    pictures: Pictures, step: int, walks: list[LongWalk], windows: np.ndarray, validity: Validity | None
) -> Pictures:
    """The pictures with one more step: the start and the last frames of the first few worlds, and which are wrong."""
    dream = windows[:_SHOWN, -1][:, None]
    real = np.stack([walk.windows[step][-1] for walk in walks[:_SHOWN]])[:, None]
    shown = zip(walks[:_SHOWN], windows, strict=False)
    wrong = np.array([_is_wrong(walk, step, frames[-1], validity) for walk, frames in shown])
    if not len(pictures["steps"]):
        starts = np.stack([walk.clip[-1] for walk in walks[:_SHOWN]])[:, None]
        pictures = {
            "steps": np.zeros(1, np.int64),
            "dream": starts,
            "real": starts,
            "wrong": np.zeros((len(starts), 1), bool),
        }
    return {
        "steps": np.append(pictures["steps"], step),
        "dream": np.concatenate([pictures["dream"], dream], axis=1),
        "real": np.concatenate([pictures["real"], real], axis=1),
        "wrong": np.concatenate([pictures["wrong"], wrong[:, None]], axis=1),
    }


def _is_wrong(walk: LongWalk, step: int, frame: np.ndarray, validity: Validity | None) -> bool:
    """Whether a frame shows another state than the real one, where that can be told."""
    if validity is None or step not in walk.states or walk.ended[:step].any():
        return False
    return not validity.is_exact(frame, walk.states[step])
