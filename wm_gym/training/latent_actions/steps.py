"""Steps as latent actions see them, and the labelled ones: what each was called."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from wm_gym.data.dataset import Dataset
from wm_gym.data.manifest import DatasetError
from wm_gym.training.latent_actions.checkpoint import LatentActions
from wm_gym.training.latent_actions.pairs import encode_observations, is_visible


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps in order.

    Attributes:
        visible: whether a pixel changes.
        features: what the latent actions' encoder tells of the change; 0 where nothing is visible.
        codes: of the latent actions; 0 where nothing is visible.
    """

    visible: Bool[Tensor, " steps"]
    features: Float[Tensor, "steps features"]
    codes: Int[Tensor, " steps"]

    def __len__(self) -> int:
        return len(self.codes)

    def select(self, rows: Bool[Tensor, " steps"]) -> "Steps":
        """Some of the steps."""
        return Steps(self.visible[rows], self.features[rows], self.codes[rows])

    @classmethod
    def cat(cls, parts: "Sequence[Steps]") -> "Steps":
        """Steps behind each other."""
        return cls(
            torch.cat([part.visible for part in parts]),
            torch.cat([part.features for part in parts]),
            torch.cat([part.codes for part in parts]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledSteps:
    """Steps whose actions are known.

    Attributes:
        steps: the steps.
        actions: the number of each one's action.
        phrases: action name to its phrasings; the order gives the numbers.
    """

    steps: Steps
    actions: Int[Tensor, " steps"]
    phrases: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """The actions' names."""
        return tuple(self.phrases)

    def select(self, rows: Bool[Tensor, " steps"]) -> "LabelledSteps":
        """Some of the steps."""
        return replace(self, steps=self.steps.select(rows), actions=self.actions[rows])


@torch.no_grad()
def read_steps(latent: LatentActions, observations: UInt8[np.ndarray, "time chunk height width channel"]) -> Steps:
    """The latent actions of an episode, from its observations alone."""
    visible = torch.from_numpy(is_visible(observations[:-1], observations[1:]))
    features = torch.zeros(len(visible), latent.model.num_features)
    codes = torch.zeros(len(visible), dtype=torch.int64)
    if visible.any():
        latents = encode_observations(latent.autoencoder, observations)
        features[visible], codes[visible] = latent.model.read(latents[:-1][visible], latents[1:][visible])
    return Steps(visible, features, codes)


def check_frames(latent: LatentActions, dataset: Dataset) -> None:
    """Refuse recordings whose frames are not those that the latent actions were trained on.

    Raises:
        DatasetError: they are not.
    """
    expected = {"frame_size": latent.frame_size, "chunk_frames": latent.model.chunk_frames}
    for name, value in expected.items():
        found = getattr(dataset.manifest, name)
        if found != value:
            raise DatasetError(
                f"{name} of {dataset.folder} must be {value}, as the latent actions were trained, got {found}; "
                "record it alike, or train latent actions on such recordings"
            )


def read_labelled(latent: LatentActions, dataset: Dataset, max_steps: int | None = None) -> LabelledSteps:
    """Read the labelled steps of a dataset; those whose action was numbers are left out.

    Args:
        latent: what reads their latent actions.
        dataset: where they lie. A text that is no phrasing of an action that it tells is an action of its own.
        max_steps: stop after so many; None reads all.

    Raises:
        DatasetError: there are none, or none that tell two actions apart.
    """
    check_frames(latent, dataset)
    phrases = dict(dataset.manifest.action_phrases)
    names = {text: name for name, texts in phrases.items() for text in texts}
    parts, texts = [], list[str]()
    for episode in dataset:
        kept = torch.ones(episode.num_steps, dtype=torch.bool)
        if episode.controls is not None:
            kept = torch.from_numpy(np.isnan(episode.controls).all(axis=1))
        if max_steps is not None:
            kept &= kept.cumsum(dim=0) <= max_steps - len(texts)
        parts.append(read_steps(latent, episode.observations).select(kept))
        texts += [text for text, keep in zip(episode.actions, kept.tolist(), strict=True) if keep]
        if len(texts) == max_steps:
            break
    for text in texts:
        if names.setdefault(text, text) == text:
            phrases.setdefault(text, (text,))
    numbers = {name: number for number, name in enumerate(phrases)}
    actions = torch.tensor([numbers[names[text]] for text in texts], dtype=torch.int64)
    labelled = LabelledSteps(steps=Steps.cat(parts), actions=actions, phrases=phrases)
    seen = {labelled.names[number] for number in actions[labelled.steps.visible].tolist()}
    if len(seen) < 2:
        raise DatasetError(
            f"labelled steps of {dataset.folder} must show at least 2 actions that change the picture, got "
            f"{sorted(seen)} in {len(texts)} steps with texts; label a few minutes in which every action is used"
        )
    return labelled
