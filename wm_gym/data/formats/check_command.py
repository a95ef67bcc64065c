"""`wm-gym data check`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from wm_gym.data.check import check, find_datasets
from wm_gym.data.check_lines import lines_of
from wm_gym.data.contact_sheet import write_contact_sheet


@dataclass(frozen=True, kw_only=True)
class Check:
    """Read a dataset, or all in a folder: what it holds, and every problem (exit status 1 where there is one)."""

    folder: Positional[Annotated[Path, arg(metavar="FOLDER")]]
    contact_sheet: Annotated[
        Path | None, arg(help="draw episodes here (PNG), one row each; one file a dataset, named after its folder")
    ] = None

    def run(self, say: Callable[[str], None]) -> int:
        """Check and tell line by line.

        Returns:
            How many problems there are.
        """
        num_problems = 0
        folders = find_datasets(self.folder)
        for folder in folders:
            report = check(folder, progress=True)
            for line in lines_of(report):
                say(line)
            num_problems += len(report.problems)
            sheet = self.contact_sheet
            if sheet is not None and report.contents.num_episodes:
                several = sheet.with_name(f"{sheet.stem}-{folder.name}{sheet.suffix}")
                say(str(write_contact_sheet(folder, several if len(folders) > 1 else sheet)))
        return num_problems
