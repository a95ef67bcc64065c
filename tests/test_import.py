"""The face of the package: light to import, complete, and unknown to the package's own modules."""

import ast
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

import wm_gym

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "diffusers", "transformers", "PIL", "imageio", "minigrid", "pygame", "matplotlib", "skimage")


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, wm_gym; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_says_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", "import wm_gym"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_import_registers_the_ids() -> None:
    assert {"wm_gym/MiniGrid-v0", "wm_gym/MiniGridDiscrete-v0"} <= set(gym.registry)


@pytest.mark.parametrize("name", wm_gym.__all__)
def test_every_public_name_arrives_and_is_documented(name: str) -> None:
    assert getattr(wm_gym, name).__doc__


def test_dir_lists_the_public_names() -> None:
    assert set(wm_gym.__all__) <= set(dir(wm_gym))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = wm_gym.Nothing


def test_no_module_imports_the_face() -> None:
    importers = [path for path in (ROOT / "wm_gym").rglob("*.py") if "wm_gym" in imported_modules(path)]
    assert importers == []


def imported_modules(path: Path) -> set[str]:
    """The full names of the modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found
