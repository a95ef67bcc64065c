"""Pictures of Minari episodes that store none: their env is reset with their seed and plays their actions again."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from wm_gym.data.formats.pictures import Chunks, to_chunks


class Replay:
    """Renders a dataset's episodes in its own env."""

    def __init__(self, dataset: Any, place: str) -> None:
        """Makes the env.

        Args:
            dataset: a `minari.MinariDataset`.
            place: its name, for errors.

        Raises:
            ValueError: it names no env, or one that cannot be made or does not render pictures.
        """
        space = dataset.observation_space
        if dataset.env_spec is None:
            rule = "must store pictures or name the env that renders them"
            raise ValueError(f"minari:{place} {rule}, got {space} and no env; choose another dataset")
        try:
            self._env: gym.Env[Any, Any] = dataset.recover_environment(render_mode="rgb_array")
        except (gym.error.Error, ImportError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"minari:{place} stores no pictures ({space}), and its env {dataset.env_spec.id} must render them, "
                f"got {error}; install the env, or choose another dataset"
            ) from error

    def render(self, stored: Any, metadata: Mapping[str, Any], where: str) -> Chunks:
        """Plays an episode again.

        Args:
            stored: a `minari.EpisodeData`.
            metadata: its facts, with the "seed" and perhaps the "options" of its reset.
            where: its name, for errors.

        Raises:
            ValueError: it has no seed, or the env does not repeat it.
        """
        if metadata.get("seed") is None:
            raise ValueError(f"{where}: seed must be stored to render the episode again, got none; choose another")
        observation, _ = self._env.reset(seed=int(metadata["seed"]), options=metadata.get("options"))
        pictures = [self._picture(where)]
        self._compare("observation", 0, _at(stored.observations, 0), observation, where)
        for step in range(len(stored.rewards)):
            observation, reward, terminated, _, _ = self._env.step(_at(stored.actions, step))
            pictures.append(self._picture(where))
            self._compare("reward", step, stored.rewards[step], reward, where)
            self._compare("terminated", step, bool(stored.terminations[step]), bool(terminated), where)
            self._compare("observation", step + 1, _at(stored.observations, step + 1), observation, where)
        return to_chunks(np.stack(pictures), f"{where} pictures")

    def _picture(self, where: str) -> np.ndarray:
        picture = self._env.render()
        if not isinstance(picture, np.ndarray):
            raise ValueError(f"{where}: its env must render one picture, got {type(picture).__name__}")
        return picture.copy()  # envs may reuse their buffers

    def _compare(self, name: str, step: int, stored: Any, played: Any, where: str) -> None:
        if not _same(stored, played):
            raise ValueError(
                f"{where}: played again, the env must repeat what is stored, but {name} {step} differs: stored "
                f"{_short(stored)}, played {_short(played)}; install the env's version that recorded it"
            )


def _at(tree: Any, step: int) -> Any:
    """One step of nested arrays."""
    if isinstance(tree, Mapping):
        return {name: _at(part, step) for name, part in tree.items()}
    if isinstance(tree, tuple):
        return tuple(_at(part, step) for part in tree)
    return tree[step]


def _same(stored: Any, played: Any) -> bool:
    """Whether all that is stored is what the env gave, up to rounding; the env may give more."""
    if isinstance(stored, Mapping):
        is_like = isinstance(played, Mapping)
        return is_like and all(name in played and _same(part, played[name]) for name, part in stored.items())
    if isinstance(stored, tuple):
        return len(stored) == len(played) and all(map(_same, stored, played))
    if isinstance(stored, str):
        return bool(stored == played)
    mine, other = np.asarray(stored), np.asarray(played)
    return mine.shape == other.shape and bool(np.allclose(mine, other, rtol=1e-5, atol=1e-6, equal_nan=True))


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else text[:77] + "..."
