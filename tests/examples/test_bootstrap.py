"""The bootstrap reuses what is installed, keeps its hands off other folders, and stays within the standard library."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from examples import bootstrap

ROOT = Path(__file__).resolve().parents[2]


def test_prepared_environment_is_reused_without_a_call(tmp_path: Path) -> None:
    python = bootstrap.interpreter(tmp_path)
    (tmp_path / "wm-gym-minigrid.installed").write_text(bootstrap.fingerprint())
    assert bootstrap.prepare("minigrid", tmp_path) == python


def test_folder_with_other_files_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit, match="venv must be a virtual environment or a new folder, got"):
        bootstrap.prepare("minigrid", tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_half_made_environment_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("")
    bootstrap.create_environment(tmp_path)
    call = [str(bootstrap.interpreter(tmp_path)), "-m", "pip", "--version"]
    assert subprocess.run(call, stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.parametrize("path", ["examples/bootstrap.py", "examples/quickstart.py", "tests/__main__.py"])
def test_first_commands_import_only_the_standard_library(path: str) -> None:
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    assert names - set(sys.stdlib_module_names) <= {"examples"}
