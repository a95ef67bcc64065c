"""`wm-gym data label`."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


@dataclass(frozen=True, kw_only=True)
class Label:
    """Give recordings without labels texts, by their latent actions and a few labelled minutes.

    The new dataset is one like any other. Steps in which no pixel changes are all called what most surely changes
    nothing: no video shows which action was tried in vain.

    Attributes:
        latent_actions: a folder that `wm-gym train latent-actions` wrote.
        labelled: a dataset of the same world whose actions are texts, a few minutes of it.
        output: the new dataset's folder; goes on where it was when it holds some.
        labelled_steps: learn from the first so many labelled steps; by default from all.
        episodes: label the first so many episodes; by default all.
        compare: count how many labels agree with the texts that the recordings have themselves.
        json: write the figures here.
        seed: of the classifiers, and of the phrasings that are drawn.
    """

    folder: Positional[Annotated[Path, arg(metavar="FOLDER", help="the recordings to label")]]
    latent_actions: Path
    labelled: Path
    output: Path
    labelled_steps: int | None = None
    episodes: int | None = None
    compare: bool = False
    json: Path | None = None
    seed: int = 0

    def run(self, say: Callable[[str], None]) -> int:
        """Label, and say what was learned and how well.

        Returns:
            0, the number of problems.
        """
        from wm_gym.data.dataset import Dataset
        from wm_gym.training.latent_actions.checkpoint import read_latent_actions
        from wm_gym.training.latent_actions.relabel import relabel

        for name, least in (("labelled_steps", 2), ("episodes", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        report = relabel(
            read_latent_actions(self.latent_actions),
            Dataset.open(self.folder),
            Dataset.open(self.labelled),
            self.output,
            max_labelled_steps=self.labelled_steps,
            max_episodes=self.episodes,
            compare=self.compare,
            seed=self.seed,
        )
        for line in report.lines():
            say(line)
        say(f"{report.num_episodes} episodes in {self.output}")
        if self.json is not None:
            self.json.parent.mkdir(parents=True, exist_ok=True)
            self.json.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
        return 0
