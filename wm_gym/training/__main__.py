"""`python -m wm_gym.training autoencoder|world-model|latent-actions|finetune|pan-plan`: train a stage, or plan one."""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from wm_gym.checkpoint_manifest import CheckpointError
from wm_gym.data.manifest import DatasetError
from wm_gym.training.commands import TrainAutoencoder, TrainWorldModel
from wm_gym.training.finetune import Finetune
from wm_gym.training.latent_actions.command import TrainLatentActions
from wm_gym.training.loop import TrainingError
from wm_gym.training.pan_run import PlanPanRun

Command = (
    Annotated[TrainAutoencoder, tyro.conf.subcommand("autoencoder")]
    | Annotated[TrainWorldModel, tyro.conf.subcommand("world-model")]
    | Annotated[TrainLatentActions, tyro.conf.subcommand("latent-actions")]
    | Annotated[Finetune, tyro.conf.subcommand("finetune")]
    | Annotated[PlanPanRun, tyro.conf.subcommand("pan-plan")]
)


def main(arguments: Sequence[str] | None = None, prog: str = "wm-gym train") -> int:
    """Run a training command; returns the exit status: 0 done, 2 a user's error, 130 stopped by Ctrl-C."""
    is_first = os.environ.get("RANK", "0") == "0"  # the others of a launcher speak up only where they fail
    logging.basicConfig(level=logging.INFO if is_first else logging.ERROR, format="%(message)s")
    try:
        command = tyro.cli(Command, args=arguments, prog=prog)
        if isinstance(command, PlanPanRun):
            logging.info("%s", command.page())
            return 0
        if isinstance(command, Finetune | TrainLatentActions) and command.dry_run:
            logging.info("%s", "\n".join(map(str, command.plan())))
            return 0
        result = command.run()
    except (DatasetError, CheckpointError, TrainingError, ValueError) as error:
        logging.error("%s", error)
        return 2
    state = "stopped, run the same command to go on" if result.interrupted else "done"
    logging.info("%s at iteration %d; product in %s", state, result.iteration, command.output)
    return 130 if result.interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
