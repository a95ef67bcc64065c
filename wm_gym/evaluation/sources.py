"""Where real rollouts come from: a simulator that policies act in, or recordings of one that is not at hand."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice, zip_longest
from typing import Protocol, runtime_checkable

import numpy as np

from wm_gym.actions import Action
from wm_gym.data.dataset import Dataset
from wm_gym.data.episode import Episode
from wm_gym.data.manifest import Manifest
from wm_gym.evaluation.config import ResolvedConfig
from wm_gym.evaluation.rollouts import Lead, RealRollout, collect_rollout, rollout_seed
from wm_gym.evaluation.speech import Speech
from wm_gym.evaluation.twin import Env
from wm_gym.world_model import WorldModel


@runtime_checkable
class RolloutSource(Protocol):
    """Real rollouts by number, their actions as the dream is told them."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, index: int) -> RealRollout:
        """Returns one, from 0 on."""
        ...


class TwinRollouts:
    """Rollouts in the real twin, the policies in turn."""

    def __init__(self, env: Env, model: WorldModel, config: ResolvedConfig) -> None:
        self._env = env
        self._config = config
        self._speech = Speech(env, model.card.worlds[config.world])
        self._lead = Lead(steps=config.lead_steps, clip_frames=model.kept_frames)

    def __len__(self) -> int:
        return self._config.rollouts

    def __getitem__(self, index: int) -> RealRollout:
        config = self._config
        rollout = collect_rollout(
            self._env,
            config.policies[index % len(config.policies)],
            seed=rollout_seed(config.seed, index),
            horizon=config.horizon,
            lead=self._lead,
        )
        return replace(rollout, actions=self._speech.translate(rollout.actions, seed=rollout.seed))


class RecordedRollouts:
    """One rollout of each recorded episode that is long enough, without true states; datasets take turns."""

    def __init__(self, datasets: Sequence[Dataset], *, kept_frames: int, config: ResolvedConfig) -> None:
        """Takes at most `config.rollouts` of the episodes that are longer than the shortest lead.

        Args:
            datasets: Recordings of one world, which the model was not trained on.
            kept_frames: The most frames before a rollout to show the model.
            config: Says when a rollout begins, and how long it is.

        Raises:
            ValueError: No episode is long enough.
        """
        self._kept_frames = kept_frames
        self._config = config
        least, _ = config.lead_steps
        fitting = [
            [(dataset, index) for index, entry in enumerate(dataset.entries) if entry.num_steps > least]
            for dataset in datasets
        ]
        turns = chain.from_iterable(zip_longest(*fitting))
        self._episodes = list(islice((each for each in turns if each is not None), config.rollouts))
        if not self._episodes:
            folders = ", ".join(str(dataset.folder) for dataset in datasets)
            raise ValueError(
                f"recordings must hold an episode longer than the shortest lead, {least} steps, got none in {folders}; "
                "record longer ones or shorten lead_steps"
            )

    @classmethod
    def open(cls, model: WorldModel, config: ResolvedConfig) -> "RecordedRollouts":
        """Opens the config's recordings.

        Raises:
            DatasetError: One is missing, cut or corrupt.
            ValueError: One is of another world than the config's, or has other frames or numbers than the checkpoint.
        """
        datasets = [Dataset.open(folder) for folder in config.recordings or ()]
        card = model.card
        world = card.worlds[config.world]
        expected = (config.world, (*card.frame_size, card.chunk_frames))
        for dataset in datasets:
            manifest = dataset.manifest
            if (found := (manifest.world, (*manifest.frame_size, manifest.chunk_frames))) != expected:
                raise ValueError(
                    f"recordings must be of the world {expected[0]!r} with height, width and chunk_frames "
                    f"{expected[1]}, got {found[0]!r} with {found[1]} in {dataset.folder}"
                )
            numbers, known = (manifest.control_low, manifest.control_high), (world.control_low, world.control_high)
            if manifest.control_low and numbers != known:
                raise ValueError(
                    f"recordings must have the checkpoint's range of numeric actions, {known}, got {numbers} in "
                    f"{dataset.folder}; record or import them alike"
                )
        return cls(datasets, kept_frames=model.kept_frames, config=config)

    def __len__(self) -> int:
        return len(self._episodes)

    def __getitem__(self, index: int) -> RealRollout:
        dataset, number = self._episodes[index]
        episode, manifest = dataset[number], dataset.manifest
        seed = rollout_seed(self._config.seed, index)
        least, most = self._config.lead_steps
        start = int(np.random.default_rng([seed, 2]).integers(least, min(most, episode.num_steps - 1) + 1))
        stop = min(start + self._config.horizon, episode.num_steps)
        frames = episode.observations[: start + 1].reshape(-1, *episode.observations.shape[2:])
        return RealRollout(
            seed=seed,
            policy=manifest.policy,
            clip=frames[-self._kept_frames :],
            observations=episode.observations[start : stop + 1],
            states=(),
            actions=_told(episode, manifest)[start:stop],
            rewards=episode.rewards[start:stop],
            terminated=episode.terminated[start:stop],
            world_events=episode.world_events[start:stop],
        )


def _told(episode: Episode, manifest: Manifest) -> tuple[Action, ...]:
    """The episode's texts, and numbers in [-1, 1] where it was told numbers; those out of range count as its ends."""
    if episode.controls is None:
        return episode.actions
    pairs = zip(episode.actions, manifest.scaled(episode.controls), strict=True)
    return tuple(numbers.clip(-1, 1) if np.isfinite(numbers).all() else text for text, numbers in pairs)
