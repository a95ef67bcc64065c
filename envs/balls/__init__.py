"""The Balls world: uniform motion, throws and collisions, for measuring what a world model knows of laws.

Importing this package registers its ids, `real/Balls-v0` for texts and `real/BallsDiscrete-v0`: make the former by
`gym.make("envs.balls:real/Balls-v0")`.
"""

import gymnasium as gym

_TWIN, _MAX_STEPS = "envs.balls.twin:BallsTwin", 64

gym.register(id="real/Balls-v0", entry_point=_TWIN, max_episode_steps=_MAX_STEPS)
gym.register(
    id="real/BallsDiscrete-v0", entry_point=_TWIN, max_episode_steps=_MAX_STEPS, kwargs={"actions": "discrete"}
)
