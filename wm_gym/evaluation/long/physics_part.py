"""Physics: dreams of falls under each law of a lawful world, at trained speeds and at others."""

from typing import Any

import numpy as np

from wm_gym.evaluation.long.drift_part import Keep, Pictures
from wm_gym.evaluation.long.falls import collect_falls, idle_text, lawful
from wm_gym.evaluation.long.physics import read_places, velocity_error
from wm_gym.evaluation.long.stage import Stage
from wm_gym.evaluation.twin import real_twin

_SHOWN = 6  # frames of the strip


def measure_physics_part(stage: Stage, keep: Keep) -> None:
    """Dreams `falls` falls for each law and range of speeds and compares velocities.

    Args:
        stage: A world whose laws are known.
        keep: Given all that is known, and the pictures, after each.
    """
    simulator = lawful(stage.env)
    assert simulator is not None, "the suite asks before"
    results: list[dict[str, Any]] = []
    pictures: Pictures = {}
    twin = real_twin(stage.env)
    idle = idle_text(stage.env.unwrapped)
    for law in simulator.laws:
        for speeds in simulator.speed_ranges:
            stage.say(f"{law}, {speeds}")
            falls = collect_falls(stage.env, law=law, speeds=speeds, num_falls=stage.long.falls, seed=stage.config.seed)
            actions = [[idle] * len(fall.frames) for fall in falls]
            frames = stage.dream_frames([fall.clip for fall in falls], [fall.seed for fall in falls], actions)
            last = np.stack([fall.clip[-1] for fall in falls])[:, None]
            dreamed, real = (
                np.stack([read_places(twin, row) for row in np.concatenate([last, side], axis=1)])
                for side in (frames, np.stack([fall.frames for fall in falls]))
            )
            error = velocity_error(dreamed, real)
            results.append({"law": law, "speeds": speeds} | error.to_json())
            pictures |= {
                f"{law} {speeds} dream": frames[0, :_SHOWN],
                f"{law} {speeds} real": falls[0].frames[:_SHOWN],
            }
            keep({"laws": results}, pictures)
