"""Rollouts beside the truth: the frames that a model dreams under the real ones, from the start of an episode.

Both are shown to the same actions, so a difference is an error of the model, which has seen nothing but the start.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from wm_gym.actions import Action
from wm_gym.data.dataset import Dataset
from wm_gym.data.manifest import DatasetError
from wm_gym.data.mixture import Mixture
from wm_gym.training.pictures import Picture
from wm_gym.world_model import WorldModel

GAP = 2  # black pixels between two frames


@dataclass(frozen=True, kw_only=True)
class RolloutPicturesConfig:
    """Rollouts beside the truth, for TensorBoard.

    Attributes:
        data: recordings that are not trained on, with the frames of those that are; one episode of each is shown. By
            default an episode of each world that is trained on.
        every: iterations between two pictures; None draws none, unless `data` is given: then 500.
        horizon_steps: steps of a rollout, at least 1; each is a column.

    Raises:
        ValueError: when a number is out of its range.
    """

    data: tuple[Path, ...] = ()
    every: int | None = None
    horizon_steps: int = 16

    def __post_init__(self) -> None:
        for name in ("every", "horizon_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    @property
    def interval(self) -> int | None:
        """Iterations between two pictures; None without pictures."""
        return self.every or (500 if self.data else None)


def rollout_pictures(config: RolloutPicturesConfig, model: WorldModel, trained: Mixture) -> "RolloutPictures | None":
    """What draws the pictures of a training; None where none are wanted.

    Args:
        config: what to draw.
        model: the model in training.
        trained: what it is trained on.

    Raises:
        DatasetError: recordings that are not whole, have other frames than those trained on, or more numbers in an
            action than the model takes.
    """
    if config.interval is None:
        return None
    held_out = tuple(map(Dataset.open, config.data))
    for dataset in held_out:
        for name in ("frame_size", "chunk_frames"):
            wanted, found = getattr(trained, name), getattr(dataset.manifest, name)
            if found != wanted:
                raise DatasetError(
                    f"{name} of {dataset.folder} must be {wanted} as in what is trained on, got {found}; record them "
                    "alike"
                )
        if len(dataset.manifest.control_low) > model.max_controls:
            raise DatasetError(
                f"actions of {dataset.folder} must have at most {model.max_controls} numbers, as the model's, got "
                f"{len(dataset.manifest.control_low)}; show a recording of a world that is trained on"
            )
    return RolloutPictures(model, held_out or trained.datasets, config, "held out" if held_out else "trained on")


class RolloutPictures:
    """Draws one episode a dataset: real frames above, dreamt ones below, time to the right.

    Attributes:
        every: iterations between two drawings.
    """

    def __init__(
        self, model: WorldModel, datasets: tuple[Dataset, ...], config: RolloutPicturesConfig, kind: str
    ) -> None:
        """Reads the episodes.

        Args:
            model: its parts are used as they are at every drawing.
            datasets: of each, the first episode that is long enough, else its longest.
            config: what to draw.
            kind: what the datasets are to the training, for the titles.

        Raises:
            DatasetError: an episode is missing or corrupt.
        """
        self.every = config.interval or 1
        self._model = model
        self._episodes = {
            f"rollout {kind}/{number} {dataset.manifest.world}": _first_episode(dataset, config.horizon_steps)
            for number, dataset in enumerate(datasets)
        }

    def draw(self) -> dict[str, Picture]:
        """One picture an episode."""
        model = WorldModel(self._model.parts())  # the same weights, but no text encoded by earlier ones
        with _evaluating(model), torch.no_grad():
            return {
                title: _drawn(real, _dreamt(model, real, actions, events))
                for title, (real, actions, events) in self._episodes.items()
            }


def _first_episode(
    dataset: Dataset, num_steps: int
) -> tuple[UInt8[np.ndarray, "time chunk height width 3"], list[Action], list[str]]:
    """Observations, actions and events of up to `num_steps` steps."""
    lengths = np.array([entry.num_steps for entry in dataset.entries])
    long_enough = np.flatnonzero(lengths >= num_steps)
    episode = dataset[int(long_enough[0] if len(long_enough) else lengths.argmax())]
    actions: list[Action] = list(episode.actions[:num_steps])
    if episode.controls is not None:
        for step, row in enumerate(dataset.manifest.scaled(episode.controls[:num_steps]).clip(-1, 1)):
            if np.isfinite(row).all():
                actions[step] = row
    events = list(episode.world_events[:num_steps]) or [""] * len(actions)
    return episode.observations[: len(actions) + 1], actions, events


def _dreamt(
    model: WorldModel,
    real: UInt8[np.ndarray, "time chunk height width 3"],
    actions: list[Action],
    events: list[str],
) -> UInt8[np.ndarray, "time height width 3"]:
    """The last frame of every observation as the model continues the first."""
    state = model.reset(real[:1], seeds=[0])
    frames = [real[0, -1]]
    for action, event in zip(actions, events, strict=True):
        state, output = model.step(state, [action], events=[event])
        frames.append(output.frames[0, -1].cpu().numpy())
    return np.stack(frames)


def _drawn(
    real: UInt8[np.ndarray, "time chunk height width 3"], dreamt: UInt8[np.ndarray, "time height width 3"]
) -> Picture:
    """Two rows of frames with gaps between them."""
    rows = [np.pad(frames, ((0, 0), (0, GAP), (0, GAP), (0, 0))) for frames in (real[:, -1], dreamt)]
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Every part in evaluation mode inside the block, and as it was after it."""
    modes = {each: each.training for each in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for each, mode in modes.items():
            each.training = mode
