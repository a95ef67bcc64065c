"""Runs the twins' tests without a GPU: in a process of its own, since Triton reads TRITON_INTERPRET as it is imported.

The parent may hold Triton already (diffusers imports it). The child runs without the type checkers, which
`torch.compile` cannot read through; the parent's own tests check the annotations.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.skipif(find_spec("triton") is None, reason="needs triton, which this platform may not have")
@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the twins' tests run in this process")
def test_twins_are_exact_under_tritons_interpreter() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "tests/kernels", "-k", "interpreted", "-p", "no:cacheprovider"]
    command += ["-o", "addopts=--import-mode=importlib --strict-markers --strict-config"]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= 100, done.stdout[-2000:]
    assert "skipped" not in done.stdout, "a twin's test did not run"
