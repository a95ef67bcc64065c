"""`python -m wm_gym.transition.import_language_model SOURCE FOLDER`: store a pretrained language model in int8.

What the features do not need is left out: the layers above the last one read, the pooler, the head.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wm_gym.transition.language import LanguageModel, LanguageModelError


@dataclass(frozen=True)
class ImportLanguageModel:
    """Convert a language model into a folder that `LanguageModel.from_pretrained` loads.

    Attributes:
        source: a folder with a model of `transformers` and its safetensors, or a model of the Hugging Face hub.
        folder: where to write.
        layers: the layers whose outputs make the features, rising; by default the last.
    """

    source: Annotated[str, tyro.conf.Positional]
    folder: Annotated[Path, tyro.conf.Positional]
    layers: tuple[int, ...] = ()

    def run(self) -> LanguageModel:
        """Convert, and return the model as it was stored."""
        model = LanguageModel.from_pretrained(self.source, self.layers or None)
        model.save_compact(self.folder)
        return LanguageModel.from_pretrained(self.folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 a user's error."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    command = tyro.cli(ImportLanguageModel, args=arguments, prog="import_language_model")
    try:
        model = command.run()
    except LanguageModelError as error:
        logging.error("%s", error)
        return 2
    logging.info("%s: features of width %d from layers %s", command.folder, model.width, list(model.layers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
