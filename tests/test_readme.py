"""The README tells the truth: its Python runs, its commands have the options it names, its links lead somewhere."""

import io
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest

import wm_gym.cli
import wm_gym.training.__main__ as training

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
WRITING = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [(language, text) for language, text in WRITING.findall(README)]
PYTHON = [text for language, text in BLOCKS if language == "python"]
LINES = [line for language, text in BLOCKS if language == "bash" for line in text.replace("\\\n", " ").splitlines()]
COMMANDS = [line for line in LINES if re.match(r"wm-gym |python3? -m wm_gym", line)]
PROGRAMS: dict[str, Callable[[Sequence[str]], int]] = {"wm_gym": wm_gym.cli.main, "wm_gym.training": training.main}
LINKS = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]


def run(*command: str, cwd: Path) -> str:
    """Runs a command and returns what it printed; that also tells why it failed."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    return done.stdout


@cache
def help_of(program: str, *command: str) -> str:
    """What a command says about its options; asked once for all lines that name it."""
    said = io.StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit, match="^0$"):
        PROGRAMS[program]([*command, "--help"])
    return said.getvalue()


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_python_blocks_run(code: str, tmp_path: Path) -> None:
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    run(sys.executable, "-c", path + code, cwd=tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_have_the_options_they_name(command: str) -> None:
    words = shlex.split(command, comments=True)
    program, rest = ("wm_gym", words[1:]) if words[0] == "wm-gym" else (words[2], words[3:])
    text = help_of(program, *rest[: 2 if rest[0] in ("data", "train") else 1])
    options = [word.split("=")[0] for word in rest if word.startswith("--")]
    assert [option for option in options if option not in text] == []


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).exists()


def test_readme_has_code_and_commands() -> None:
    assert len(PYTHON) >= 1
    assert len(COMMANDS) >= 4
