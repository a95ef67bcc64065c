"""The `wm-gym` command: dream, play, serve, record, data, train, finetune, evaluate.

Bad input is one line on stderr and exit status 2. This is the only module of the package that prints.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import gymnasium as gym
import tyro
from tyro.conf import OmitArgPrefixes, Positional, arg, subcommand

from wm_gym.data.formats.check_command import Check
from wm_gym.data.formats.export_command import Export
from wm_gym.data.formats.import_command import Import
from wm_gym.dream import DreamConfig, DreamReport, dream
from wm_gym.evaluation.config import FidelityConfig, FollowingConfig
from wm_gym.evaluation.long.config import LongConfig
from wm_gym.evaluation.states import ReaderError
from wm_gym.evaluation.transfer_config import TransferConfig
from wm_gym.play.config import PlayConfig
from wm_gym.record_command import RecordConfig
from wm_gym.serve.config import ServeConfig
from wm_gym.training.latent_actions.label_command import Label

T = TypeVar("T", FidelityConfig, FollowingConfig, TransferConfig, LongConfig)

DESCRIPTION = """A learned world model behind the Gymnasium API.

  wm-gym dream minigrid                                   # look: dream.gif, and a strip over the real twin
  wm-gym dream minigrid --actions "turn left,move forward,pick up"
  wm-gym play minigrid                                    # a window: F1 shows the keys
  wm-gym play minigrid --browser                          # the same on a web page, for machines without a screen
  wm-gym play minigrid --script "turn left,move forward * 3,undo" --record play.gif
  wm-gym serve minigrid                                   # states over HTTP, for tree search from elsewhere
  wm-gym record --env envs:real/MiniGrid-v0 --policy policies.minigrid:mixed --episodes 100 --output data/minigrid
  wm-gym data check data/minigrid --contact-sheet sheet.png   # what is in it, and every problem
  wm-gym train --help                                     # autoencoder, then world-model; latent-actions; pan-plan
  wm-gym finetune minigrid data/mine --output runs/mine --dry-run    # what adding a world would take
  wm-gym evaluate minigrid --rollouts 100 --json fidelity.json
  wm-gym evaluate runs/mine --world mine --recordings data/test    # a world without a twin
  wm-gym evaluate minigrid --worlds minigrid              # with action following; so do checkpoints of several worlds
  wm-gym evaluate minigrid --transfer runs/ppo/policy.zip random --json transfer.json    # policies, dream against real
  wm-gym evaluate minigrid --suite long --long-steps 1000 --output runs/long    # drift, revisits, ...: one HTML page

The real twins (envs/) and policies (policies/) are found in the folder that the command runs in: a checkout."""


@dataclass(frozen=True, kw_only=True)
class Dream(DreamConfig):
    """Dream a world under a few texts and draw a GIF and a strip, above the real twin where its simulator is there."""

    checkpoint: Positional[Annotated[str, arg(metavar="CHECKPOINT")]] = "minigrid"

    def run(self) -> None:
        """Dream and say what came of it."""
        report = dream(self)
        if report.missing_twin:
            print(f"the real twin is missing, so the dream stands alone: {' '.join(report.missing_twin.split())}")
        print(_outcome(report))
        for path in report.paths:
            print(path)
        print(f"median step {report.latency:.0f} ms")


@dataclass(frozen=True, kw_only=True)
class Play(PlayConfig):
    """Play a world with keys and texts: undo, bookmarks, the real twin beside the dream, films and recordings."""

    world: Positional[Annotated[str | None, arg(metavar="WORLD")]] = None
    browser: Annotated[bool, arg(help="play on a web page that this command serves, in place of a window")] = False
    host: Annotated[str, arg(help="address that the page is served at")] = "127.0.0.1"
    port: Annotated[int, arg(help="port that it is served at; 0 takes any")] = 8000
    token: Annotated[
        str | None, arg(help="secret that a page must know; by default a new one where other machines reach the host")
    ] = None

    def run(self) -> None:
        """Play and say what came of it."""
        if self.browser:
            self._serve()
            return
        from wm_gym.play.game import play

        report = play(self)
        returns = ", ".join(f"{panel.name} reward {panel.total:g}" for panel in report.scene.panels)
        print(f"{report.scene.step} steps, {returns}", *report.files, sep="\n")

    def _serve(self) -> None:
        """Serve pages until Ctrl-C and say what was written."""
        from wm_gym.play.browser.config import BrowserConfig
        from wm_gym.play.browser.server import play_in_browser

        browser = BrowserConfig(host=self.host, port=self.port, token=self.token)
        for file in play_in_browser(self, browser, say=partial(print, flush=True)):
            print(file)


@dataclass(frozen=True, kw_only=True)
class Serve(ServeConfig):
    """Serve a checkpoint's worlds over HTTP: states with ids, to branch from by another process or language."""

    checkpoint: Positional[Annotated[str, arg(metavar="WORLD|CHECKPOINT")]] = "minigrid"

    def run(self) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        from wm_gym.serve.server import Server

        Server(self.checkpoint, self, say=partial(print, flush=True)).run()


@dataclass(frozen=True, kw_only=True)
class Record(RecordConfig):
    """Record episodes of any Gymnasium env into a dataset; run it again after a stop, it goes on where it was."""

    def run(self) -> None:
        """Record and say how much."""
        print(f"{len(self.record())} episodes in {self.output}")


DataCommand = (
    Annotated[Check, subcommand("check")]
    | Annotated[Import, subcommand("import")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Label, subcommand("label")]
)


@dataclass(frozen=True, kw_only=True)
class Data:
    """Look at a recorded dataset, or bring one from or to another format (each has --help)."""

    command: OmitArgPrefixes[DataCommand]

    def run(self) -> int:
        """Run it; the exit status is 1 where a check finds problems."""
        return 1 if self.command.run(partial(print, flush=True)) else 0


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train on a recorded dataset: `wm-gym train autoencoder`, then `wm-gym train world-model` (each has --help)."""

    def run(self) -> None:
        """Nothing: `main` hands everything after `train` to `python -m wm_gym.training`, which needs torch."""


@dataclass(frozen=True, kw_only=True)
class Finetune:
    """Fine-tune a checkpoint on recordings of a world that it knows, or of a new one (has --help)."""

    def run(self) -> None:
        """Nothing: `main` hands it to `python -m wm_gym.training`, which needs torch."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(FidelityConfig, FollowingConfig, TransferConfig, LongConfig):
    """Measure a checkpoint against its real twins on held-out starts: a table, and files where you ask for them.

    A checkpoint of several worlds, or `--worlds`, gives one table by world, with action following. `--transfer` plays
    policies in the dream and in the real twin instead, and tells how the dream ranks them. `--suite long` measures
    what becomes of a world over a long time, and writes a page into `--output`. `--recordings` measures a world that
    has no twin.
    """

    checkpoint: Positional[Annotated[str, arg(metavar="CHECKPOINT")]] = "minigrid"
    worlds: Annotated[str | None, arg(help="which worlds, separated by commas; by default all")] = None
    json: Annotated[Path | None, arg(help="write the numbers here")] = None
    plot: Annotated[Path | None, arg(help="draw them here (PNG); by default beside the JSON")] = None

    def run(self) -> None:
        """Measure, print the table, write what was asked for."""
        from wm_gym.evaluation.outcome import Files, evaluate

        long = _part(self, LongConfig)
        if long.suite:
            self._run_long(long)
            return
        files = Files(json=self.json, plot=self.plot)
        transfer = _part(self, TransferConfig)
        if transfer.transfer:
            from wm_gym.evaluation.transfer import transfer_outcome

            outcome = transfer_outcome(_part(self, FidelityConfig), transfer, files)
            print(outcome.table, *outcome.paths, sep="\n")
            return
        outcome = evaluate(_part(self, FidelityConfig), _part(self, FollowingConfig), self.worlds, files)
        print(outcome.table, *outcome.paths, sep="\n")

    def _run_long(self, long: LongConfig) -> None:
        """Measure over a long time, print the tables, say what was written."""
        from wm_gym.evaluation.long.suite import run_suite

        for name in ("json", "plot"):
            if value := getattr(self, name):
                raise ValueError(f"{name} must be left out of the suite, got {value}; its report goes into --output")
        outcome = run_suite(_part(self, FidelityConfig), long, _part(self, FollowingConfig), self.worlds)
        print(outcome.table, *outcome.paths, sep="\n")


Command = (
    Annotated[Dream, subcommand("dream")]
    | Annotated[Play, subcommand("play")]
    | Annotated[Serve, subcommand("serve")]
    | Annotated[Record, subcommand("record")]
    | Annotated[Data, subcommand("data")]
    | Annotated[Train, subcommand("train")]
    | Annotated[Finetune, subcommand("finetune")]
    | Annotated[Evaluate, subcommand("evaluate")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        Exit status: 0 done, 1 a dataset with problems, 2 a user's error, 130 stopped by Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads cost 13x beside one busy neighbour
    _find_checkout()
    if arguments[:1] == ["train"]:
        from wm_gym.training.__main__ import main as train

        return train(arguments[1:])
    if arguments[:1] == ["finetune"]:
        from wm_gym.training.__main__ import main as train

        return train(arguments, prog="wm-gym")
    try:
        command = tyro.cli(Command, args=arguments, prog="wm-gym", description=DESCRIPTION)
        return command.run() or 0
    except (ValueError, OSError, ImportError, gym.error.Error, ReaderError) as error:
        print(f"wm-gym: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("wm-gym: stopped", file=sys.stderr)
        return 130


def _find_checkout() -> None:
    """Put the folder that the command runs in on the path where it is a checkout: console scripts leave it out."""
    here = Path.cwd()
    if (here / "envs").is_dir() and str(here) not in sys.path:
        sys.path.insert(0, str(here))


def _outcome(report: DreamReport) -> str:
    """One line about the dream."""
    steps = len(report.shots) - 1
    line = f"{steps} steps, dreamed reward {report.returns[0]:g}"
    if not report.missing_twin:
        line += f", real reward {report.returns[1]:g}"
    if report.has_states:
        line += f", the true state on {report.num_same} of {steps} dreamed frames"
    return line


def _part(command: Any, config: type[T]) -> T:
    """The options of a command that are those of one of its configs."""
    return config(**{field.name: getattr(command, field.name) for field in fields(config)})


if __name__ == "__main__":
    sys.exit(main())
