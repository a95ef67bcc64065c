"""An evaluation from end to end: what `wm-gym evaluate` runs, writes and shows."""

from dataclasses import dataclass
from pathlib import Path

from wm_gym.checkpoint import read_card
from wm_gym.evaluation.config import FidelityConfig, FollowingConfig, chosen_worlds
from wm_gym.evaluation.fidelity import evaluate_fidelity
from wm_gym.evaluation.general import evaluate_general
from wm_gym.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where to write.

    Attributes:
        json: The numbers; None writes none.
        plot: The pictures (PNG); None draws them beside the JSON, or nowhere.
    """

    json: Path | None = None
    plot: Path | None = None

    @property
    def picture(self) -> Path | None:
        """Where to draw."""
        return self.plot or (self.json and self.json.with_suffix(".png"))

    def prepare(self) -> None:
        """Makes the folders: one that cannot be made shall not cost the work."""
        for path in (self.json, self.picture):
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an evaluation gave.

    Attributes:
        table: For a terminal.
        paths: The files written.
    """

    table: str
    paths: tuple[Path, ...]


def evaluate(config: FidelityConfig, following: FollowingConfig, worlds: str | None, files: Files) -> Outcome:
    """Measures one world in depth or, where there are several or `worlds` names them, worlds side by side.

    Args:
        config: What to run.
        following: What of action following to run where worlds stand side by side.
        worlds: Which worlds, separated by commas; None is all.
        files: Where to write.

    Raises:
        ValueError: There is no such checkpoint, world, twin or policy.
        OSError: A folder cannot be made.
        ModuleNotFoundError: A package of the extra "evaluate" is missing.
    """
    files.prepare()
    card = read_card(config.checkpoint)
    if worlds is None and (config.world is not None or config.recordings is not None or len(card.worlds) == 1):
        return _evaluate_one(config, files)
    return _evaluate_all(config, following, chosen_worlds(card, worlds), files)


def _evaluate_one(config: FidelityConfig, files: Files) -> Outcome:
    if files.picture:
        from wm_gym.evaluation.plots import plot_failures, plot_fidelity  # before the work: matplotlib may be missing
    report = evaluate_fidelity(config)
    paths = []
    if files.json:
        report.save(files.json)
        paths.append(files.json)
    if files.picture:
        plot_fidelity(report, files.picture)
        paths.append(files.picture)
        if report.reader.frames:  # else nobody looked for failures
            failures = files.picture.with_name(f"{files.picture.stem}_failures.png")
            plot_failures(report, failures)
            paths.append(failures)
    return Outcome(table=report.table(), paths=tuple(paths))


def _evaluate_all(config: FidelityConfig, following: FollowingConfig, worlds: tuple[str, ...], files: Files) -> Outcome:
    if files.picture:
        from wm_gym.evaluation.general_plots import draw_contact_sheet, plot_general
    model = WorldModel.from_pretrained(config.checkpoint, device=config.device)
    report = evaluate_general(model, worlds, config, following)
    paths = []
    if files.json:
        report.save(files.json)
        paths.append(files.json)
    if files.picture and report.worlds:
        sheet = files.picture.with_name(f"{files.picture.stem}_sheet.png")
        plot_general(report, files.picture)
        draw_contact_sheet(report, sheet)
        paths += [files.picture, sheet]
    return Outcome(table=report.table(), paths=tuple(paths))
