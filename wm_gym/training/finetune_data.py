"""The recordings of a fine-tuning: those that bring something new, and those against forgetting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from wm_gym.data.dataset import Dataset
from wm_gym.data.manifest import DatasetError
from wm_gym.data.mixture import Mixture
from wm_gym.training.finetune_worlds import check_recording
from wm_gym.world_card import ModelCard


@dataclass(frozen=True)
class FinetuneData:
    """Recordings that fit a checkpoint.

    Attributes:
        new: of known or new worlds, at least one.
        replay: of known worlds.
    """

    new: tuple[Dataset, ...]
    replay: tuple[Dataset, ...]

    @classmethod
    def open(cls, card: ModelCard, new: Sequence[Path], replay: Sequence[Path]) -> "FinetuneData":
        """Open folders and check them against the checkpoint's card.

        Raises:
            DatasetError: none new, one that is not whole or does not fit, or a replay of a world that is not known.
        """
        if not new:
            raise DatasetError("data must name at least one dataset folder, got none; record one with `wm-gym record`")
        opened = cls(tuple(map(Dataset.open, new)), tuple(map(Dataset.open, replay)))
        for dataset in (*opened.new, *opened.replay):
            check_recording(card, dataset)
        for dataset in opened.replay:
            if dataset.manifest.world not in card.worlds:
                raise DatasetError(
                    f"replay must hold recordings of the checkpoint's worlds, {', '.join(card.worlds)}, got "
                    f"{dataset.manifest.world} in {dataset.folder}; name a new world's recording as data"
                )
        return opened

    @cached_property
    def mixture(self) -> Mixture:
        """All recordings with an equal share of every batch; the second of a world is called `<world>-2`."""
        named: list[Dataset] = []
        worlds = [dataset.manifest.world for dataset in (*self.new, *self.replay)]
        for number, dataset in enumerate((*self.new, *self.replay)):
            before = worlds[:number].count(worlds[number])
            name = f"{worlds[number]}-{before + 1}" if before else worlds[number]
            named.append(Dataset(dataset.folder, replace(dataset.manifest, world=name), dataset.entries))
        return Mixture(tuple(named))

    def unseen(self, card: ModelCard) -> list[str]:
        """The checkpoint's worlds that no recording shows."""
        shown = {dataset.manifest.world for dataset in (*self.new, *self.replay)}
        return [world for world in card.worlds if world not in shown]
