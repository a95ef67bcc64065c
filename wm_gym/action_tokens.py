"""Actions as the tokens that the transition reads; those of a text are computed once."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.actions import Action
from wm_gym.transition.action_encoder import ActionEncoder
from wm_gym.transition.language import LanguageModel
from wm_gym.transition.language_action_encoder import LanguageActionEncoder
from wm_gym.transition.tokenizer import BytePairs

CACHE_SIZE = 65536  # distinct texts kept encoded


class ActionTokens:
    """Remembers the tokens of texts, as they are under the weights, the device and the dtype of the first time."""

    def __init__(self) -> None:
        self._of_texts: dict[str, Tensor] = {}

    def clear(self) -> None:
        """Forget all texts; to be called when weights, device or dtype change."""
        self._of_texts.clear()

    @torch.no_grad()
    def encode(
        self,
        actions: Sequence[Action],
        reader: BytePairs | LanguageModel,
        encoder: ActionEncoder | LanguageActionEncoder,
        device: torch.device,
    ) -> Float[Tensor, "batch tokens width"]:
        """Action tokens of each action: texts of any length, and numbers in [-1, 1] where the encoder takes them."""
        new = {action for action in actions if isinstance(action, str)} - self._of_texts.keys()
        if len(self._of_texts) + len(new) > CACHE_SIZE:
            self._of_texts.clear()
            new = {action for action in actions if isinstance(action, str)}
        for text in sorted(new):  # one by one: tokens must not depend on others' padding
            read, real = reader.read([text])
            self._of_texts[text] = encoder(read.to(device), real.to(device))[0]
        return torch.stack([self._encode(action, encoder, device) for action in actions])

    def _encode(
        self, action: Action, encoder: ActionEncoder | LanguageActionEncoder, device: torch.device
    ) -> Float[Tensor, "tokens width"]:
        if isinstance(action, str):
            return self._of_texts[action]
        values = torch.as_tensor(np.asarray(action, np.float32), device=device)
        assert isinstance(encoder, LanguageActionEncoder), "checked before"
        tokens: Tensor = encoder.encode_controls(values[None])[0]
        return tokens
