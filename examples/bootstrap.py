"""From a bare Python to an environment that holds this checkout: standard library only.

`python3 -m examples.quickstart` and `python3 -m tests` start here. A machine without an NVIDIA driver gets a CPU build
of torch, because the default one on Linux brings gigabytes of CUDA.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
FALLBACK_TORCH = "torch==2.13.0"  # offline mirrors keep a CPU build under this plain version


def prepare(extra: str, folder: Path, bare: tuple[str, ...] = ()) -> Path:
    """Makes or reuses the virtual environment `folder` with `wm-gym[extra]`, editable, and returns its Python.

    Packages in `bare` are installed without their own requirements, which contradict the project's. A second call with
    the same `pyproject.toml` installs nothing and needs no network.

    Raises:
        SystemExit: this Python is too old or cannot make environments, or pip failed.
    """
    if sys.version_info < (3, 11):  # noqa: UP036  a user may start it with any Python
        raise SystemExit(f"Python must be 3.11 or newer, got {sys.version.split()[0]}; run this with python3.11")
    python = interpreter(folder)
    stamp = folder / f"wm-gym-{extra}.installed"
    if stamp.is_file() and stamp.read_text() == fingerprint():
        return python
    if not python.exists() or subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL):
        create_environment(folder)
    if subprocess.call([python, "-c", "import torch"], stderr=subprocess.DEVNULL):
        install(python, *torch_requirement())
    install(python, "--editable", f"{ROOT}[{extra}]")
    if bare:
        install(python, "--no-deps", *bare)
    stamp.write_text(fingerprint())
    return python


def interpreter(folder: Path) -> Path:
    """Where the environment's Python is."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint() -> str:
    """What an installation depends on: the requirements and where the checkout lies."""
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + bytes(ROOT)).hexdigest()


def create_environment(folder: Path) -> None:
    """Makes an environment with pip in it, over whatever half-made one `folder` holds."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise SystemExit(f"venv must be a virtual environment or a new folder, got {folder}; name another one")
    try:
        venv.create(folder, with_pip=True, clear=True)
    except subprocess.CalledProcessError as error:  # Debian's Python without ensurepip
        raise SystemExit("Python must come with venv and pip; on Debian: apt install python3-venv") from error


def install(python: Path, *requirements: str) -> None:
    """Runs pip; its own message says what went wrong."""
    print("Installing", *requirements, flush=True)
    if subprocess.call([python, "-m", "pip", "install", "--quiet", *requirements]):
        raise SystemExit(f"pip could not install {requirements[-1]}; its message above says why")


def torch_requirement() -> list[str]:
    """The pip arguments for the smallest build of torch that uses this machine."""
    has_driver = shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia").exists()
    if has_driver or sys.platform != "linux":  # elsewhere the default build has no CUDA in it
        return ["torch>=2.8"]
    try:
        urllib.request.urlopen(f"{CPU_INDEX}/torch/", timeout=3).close()
    except OSError:
        return [FALLBACK_TORCH]
    return ["--index-url", CPU_INDEX, "torch>=2.8"]
