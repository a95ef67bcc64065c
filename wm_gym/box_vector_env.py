"""A batch of learned worlds with numbers as actions and one frame an observation."""

from typing import Any, ClassVar

from wm_gym.actions import Action, scale_numbers
from wm_gym.box_env import BoxWorldModelEnv
from wm_gym.env import WorldModelEnv
from wm_gym.vector_env import Observations, WorldModelVectorEnv
from wm_gym.vector_state import Chunks


class BoxWorldModelVectorEnv(WorldModelVectorEnv):
    """`WorldModelVectorEnv` whose rows are `BoxWorldModelEnv`: the world's own numbers, the chunks' last frames."""

    single_class: ClassVar[type[WorldModelEnv]] = BoxWorldModelEnv

    def _read(self, action: Any) -> Action:
        return scale_numbers(action, *self.single_env.control_range)

    def _observe(self, chunks: Chunks) -> Observations:
        return chunks[:, -1].copy()
