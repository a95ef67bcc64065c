"""A training of the command that is killed at random moments equals one that was left alone.

WM_GYM_KILLS=20 kills more often than the 2 times of every test run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("WM_GYM_KILLS", "2"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")
def test_a_training_killed_at_random_moments_leaves_the_same_files() -> None:
    command = [sys.executable, "-m", "tests.training.killing", "--kills", str(KILLS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert report["differ"] == []
    assert report["kills"] == KILLS
    assert report["files"] >= 5
