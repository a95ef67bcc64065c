"""The real twins: real simulators that speak the texts and chunks of the learned worlds.

Importing this package registers the ids and nothing else; a simulator is imported when an env is made.
"""

import gymnasium as gym

gym.register(id="real/MiniGrid-v0", entry_point="envs.minigrid:MiniGridTwin", max_episode_steps=256)
gym.register(id="real/MiniGridDiscrete-v0", entry_point="envs.minigrid:MiniGridDiscreteTwin", max_episode_steps=256)
