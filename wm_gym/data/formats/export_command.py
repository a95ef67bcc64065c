"""`wm-gym data export`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from wm_gym.data.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a dataset in another format, pixels bit for bit.

    Attributes:
        dataset: the dataset's folder.
        output: lerobot: the new folder. minari: the folder of its datasets (MINARI_DATASETS_PATH); by default its own.
        dataset_id: minari: the id for its loader; by default minigrid/recorded-v0 for the world minigrid.
        fps: lerobot: steps a second; by default the world's, or 1 where it tells none.
    """

    format: Positional[Annotated[Literal["minari", "lerobot"], arg(metavar="FORMAT", help="minari or lerobot")]]
    dataset: Positional[Annotated[Path, arg(metavar="DATASET")]]
    output: Path | None = None
    dataset_id: str | None = None
    fps: int | None = None

    def run(self, say: Callable[[str], None]) -> int:
        """Export and say where.

        Returns:
            0, the number of problems.
        """
        dataset = Dataset.open(self.dataset)
        if self.format == "minari":
            self._refuse("fps", self.fps)
            from wm_gym.data.formats.minari_export import export_minari

            say(str(export_minari(dataset, dataset_id=self.dataset_id, output=self.output)))
            return 0
        self._refuse("dataset_id", self.dataset_id)
        if self.output is None:
            raise ValueError("output must name the new folder of a LeRobot dataset, got none; pass --output")
        from wm_gym.data.formats.lerobot_export import export_lerobot

        say(str(export_lerobot(dataset, self.output, fps=self.fps)))
        return 0

    def _refuse(self, name: str, value: object) -> None:
        if value is not None:
            raise ValueError(f"{name} must be left out for {self.format}, got {value}; drop it")
