"""The README tells the truth: its Python runs, its commands have the options it names, its links lead somewhere."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
WRITING = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [(language, text) for language, text in WRITING.findall(README)]
PYTHON = [text for language, text in BLOCKS if language == "python"]
LINES = [line for language, text in BLOCKS if language == "bash" for line in text.replace("\\\n", " ").splitlines()]
COMMANDS = [line for line in LINES if re.match(r"wm-gym |python3? -m wm_gym", line)]
WM_GYM = ["-c", "import sys; from wm_gym.cli import main; sys.exit(main())"]
LINKS = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]


def run(*command: str, cwd: Path) -> str:
    """Runs a command and returns what it printed; that also tells why it failed."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    return done.stdout


@cache
def help_of(*command: str) -> str:
    """What a command of Python says about its options; it starts once for all lines that name it."""
    return run(sys.executable, *command, "--help", cwd=ROOT)


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_python_blocks_run(code: str, tmp_path: Path) -> None:
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    run(sys.executable, "-c", path + code, cwd=tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_have_the_options_they_name(command: str) -> None:
    words = shlex.split(command, comments=True)
    start, rest = (WM_GYM, words[1:]) if words[0] == "wm-gym" else (words[1:3], words[3:])
    text = help_of(*start, *rest[: 2 if rest[0] in ("data", "train") else 1])
    options = [word.split("=")[0] for word in rest if word.startswith("--")]
    assert [option for option in options if option not in text] == []


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).exists()


def test_readme_has_code_and_commands() -> None:
    assert len(PYTHON) >= 1
    assert len(COMMANDS) >= 4
