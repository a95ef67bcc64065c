"""Critics: how well a picture shows what a text says."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image

QUESTION = "Does this picture show the following? {text} Answer with yes or no."


@runtime_checkable
class Critic(Protocol):
    """Scores pictures by a text: any callable of this shape will do."""

    def __call__(
        self, frames: UInt8[np.ndarray, "batch height width 3"], text: str, /
    ) -> Float32[np.ndarray, " batch"]:
        """How well each picture shows the text, in [0, 1]."""
        ...


def judge(critic: Critic, frames: UInt8[np.ndarray, "batch height width 3"], text: str) -> np.ndarray:
    """A critic's scores, float32 (batch,), checked.

    Raises:
        ValueError: it does not return a finite number a picture.
    """
    scores = np.asarray(critic(frames, text), np.float32)
    if scores.shape != (len(frames),) or not np.isfinite(scores).all():
        raise ValueError(f"critic must return {len(frames)} finite scores, one a picture, got {scores}")
    return scores


class VisionLanguageCritic:
    """Asks a vision-language model of `transformers` and takes its probability of "yes" against "no".

    This is VQAScore (Lin et al., arXiv 2404.01291). Any model that `AutoModelForImageTextToText` loads will do.

    Args:
        model: the model, in evaluation mode.
        processor: its processor, which makes the model's inputs of texts and pictures.
        question: what it is asked, with `{text}` where the text goes.
        scale: pixels a side of one pixel of a frame: vision towers expect larger pictures than worlds are.

    Raises:
        ValueError: the question has no place for the text, or the answers are no words of the tokenizer.
    """

    def __init__(self, model: Any, processor: Any, question: str = QUESTION, scale: int = 4) -> None:
        if "{text}" not in question:
            raise ValueError(f"question must say {{text}} where the text goes, got {question!r}")
        self._model = model
        self._processor = processor
        self._question = question
        self._scale = scale
        self._answers = [self._first_token("yes"), self._first_token("no")]
        if self._answers[0] == self._answers[1]:
            raise ValueError("the processor's tokenizer must tell 'yes' from 'no', got the same token for both")

    @classmethod
    def from_pretrained(cls, name: str, device: str = "cpu", question: str = QUESTION) -> "VisionLanguageCritic":
        """Load model and processor by a name of the hub or a folder."""
        from transformers import AutoModelForImageTextToText, AutoProcessor  # slow to import

        model: Any = AutoModelForImageTextToText.from_pretrained(name)
        return cls(model.to(device).eval(), AutoProcessor.from_pretrained(name), question)

    @torch.no_grad()
    def __call__(self, frames: UInt8[np.ndarray, "batch height width 3"], text: str) -> Float32[np.ndarray, " batch"]:
        """Probability of "yes" for each picture, among "yes" and "no"."""
        large = frames.repeat(self._scale, axis=1).repeat(self._scale, axis=2)
        scores = [self._ask(Image.fromarray(picture), text) for picture in large]
        return np.asarray(scores, np.float32)

    def _ask(self, picture: Image.Image, text: str) -> float:
        """One picture at a time: processors pad batches each in a way of its own."""
        content = [{"type": "image"}, {"type": "text", "text": self._question.format(text=text)}]
        prompt = self._processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = self._processor(text=prompt, images=picture, return_tensors="pt").to(self._model.device)
        logits = self._model(**inputs).logits[0, -1]
        return float(logits[self._answers].float().softmax(dim=0)[0])

    def _first_token(self, word: str) -> int:
        tokens = self._processor.tokenizer.encode(word, add_special_tokens=False)
        if not tokens:
            raise ValueError(f"the processor's tokenizer must know the word {word!r}, got no token")
        return int(tokens[0])
