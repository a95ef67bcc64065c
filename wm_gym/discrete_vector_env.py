"""A batch of learned worlds with numbered actions and one frame an observation: what RL libraries eat."""

from typing import Any, ClassVar

from wm_gym.actions import Action
from wm_gym.discrete_env import DiscreteWorldModelEnv
from wm_gym.env import WorldModelEnv
from wm_gym.numbered_texts import NumberedTexts
from wm_gym.vector_env import Observations, WorldModelVectorEnv
from wm_gym.vector_state import Chunks


class DiscreteWorldModelVectorEnv(WorldModelVectorEnv):
    """`WorldModelVectorEnv` whose rows are `DiscreteWorldModelEnv`: actions by number, the chunks' last frames."""

    single_class: ClassVar[type[WorldModelEnv]] = DiscreteWorldModelEnv

    def _read(self, action: Any) -> Action:
        return NumberedTexts(tuple(self.get_action_meanings())).text(action)

    def _observe(self, chunks: Chunks) -> Observations:
        return chunks[:, -1].copy()
