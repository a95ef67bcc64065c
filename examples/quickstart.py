"""Installs the package beside this checkout and dreams a few steps: `python3 -m examples.quickstart`.

It needs nothing but Python 3.11. The dream runs offline; only the first installation uses the network.
"""

import subprocess
import sys

from examples.bootstrap import ROOT, prepare


def main() -> int:
    """Prepares `.venv` and runs `wm-gym dream minigrid`, which tells where its GIF and PNG are.

    Returns:
        The exit status of the dream.
    """
    python = prepare("minigrid", ROOT / ".venv")
    command = [str(python.parent / "wm-gym"), "dream", "minigrid", "--output", str(ROOT / "dream")]
    return subprocess.call(command, cwd=ROOT)  # the real twin is found from the checkout


if __name__ == "__main__":
    sys.exit(main())
