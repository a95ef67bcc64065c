"""What a dream is told: the twin's actions in the words, and the numbers, that a checkpoint was trained on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wm_gym.actions import Action, check_text, scale_numbers
from wm_gym.evaluation.twin import Env
from wm_gym.world_card import WorldCard


class Speech:
    """Translates for a checkpoint.

    A twin may know more phrasings of an action than a checkpoint was trained on. A text that the checkpoint's card has
    for the action stays; for any other one of the card's is drawn. Numbers are scaled to [-1, 1].
    """

    def __init__(self, env: Env, card: WorldCard) -> None:
        """Reads the twin's vocabulary off `env.unwrapped`, as far as it has one."""
        phrases = getattr(env.unwrapped, "action_phrases", {})
        self._names = {fold(text): name for name, texts in phrases.items() for text in texts}
        self._card = card

    def translate(self, actions: Sequence[Any], *, seed: int) -> tuple[Action, ...]:
        """The actions of an episode as the dream is told them.

        Args:
            actions: The texts and numbers that the twin was told.
            seed: Decides which phrasings are drawn.

        Raises:
            ValueError: An action is neither a text nor numbers of the world's range.
        """
        rng = np.random.default_rng([seed, 3])
        return tuple(self._scale(self.say(action, rng)) for action in actions)

    def say(self, action: Any, rng: np.random.Generator) -> Any:
        """A text as the dream is told it; numbers stay, for an env that scales them itself."""
        if isinstance(action, np.ndarray):
            return action
        text = check_text(action)
        known = self._card.action_phrases.get(self._names.get(fold(text), ""), (text,))
        return text if text in known else known[int(rng.integers(len(known)))]

    def _scale(self, action: Any) -> Action:
        if isinstance(action, np.ndarray):
            return scale_numbers(action, self._card.control_low, self._card.control_high)
        return str(action)


def fold(text: str) -> str:
    """The text in lower case, its words one space apart: how twins look texts up."""
    return " ".join(text.lower().split())


def label(action: Action) -> str:
    """What to call an action in a table."""
    return action if isinstance(action, str) else "numbers"
