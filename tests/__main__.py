"""Every check, from a bare Python: `python3 -m tests [--venv DIR]` sets up an environment and runs what CI runs."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from examples.bootstrap import ROOT, prepare

BARE = ("procgen2>=0.10",)  # CoinRun; it asks for numpy below 2 and uses none of it here
PACKAGES = ("wm_gym", "envs", "policies", "examples", "benchmarks", "tests")
CHECKS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy", "--strict", *PACKAGES),
    "import-linter": ("lint-imports",),
    "pytest": ("pytest", "--numprocesses=auto", "--dist=loadfile"),
}


def main() -> int:
    """Runs all checks, the later ones also after a failure.

    Returns:
        0 when every check passed, else 1.
    """
    parser = argparse.ArgumentParser(prog="python3 -m tests", description="Install the checkout and run every check.")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", metavar="DIR", help="environment to make or reuse")
    scripts = prepare("dev", parser.parse_args().venv.absolute(), bare=BARE).parent
    results = {name: run(name, scripts, command) for name, command in CHECKS.items()}
    print("; ".join(f"{name} {'passed' if passed else 'FAILED'}" for name, passed in results.items()))
    return 0 if all(results.values()) else 1


def run(name: str, scripts: Path, command: tuple[str, ...]) -> bool:
    """Runs one check in the checkout with the environment's scripts first on the path."""
    print(f"== {name}", flush=True)
    started = time.monotonic()
    path = os.pathsep.join([str(scripts), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}  # a process a core
    status = subprocess.call([scripts / command[0], *command[1:]], cwd=ROOT, env=environment)
    print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    return status == 0


if __name__ == "__main__":
    sys.exit(main())
