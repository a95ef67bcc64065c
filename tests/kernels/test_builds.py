"""Every twin compiles for Ampere, Hopper and Blackwell on a machine without a GPU, and no register spills.

In a process of its own: kernels that the interpreter took cannot be compiled.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kernels_build import missing_tools

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED_BYTES = {80: 163 * 1024, 90: 227 * 1024, 100: 227 * 1024}  # most that a program may have
KERNELS = {"residual_layer_norm", "qk_norm_rope_write", "ring_attention", "flow_step", "rms_norm_silu"}

pytestmark = pytest.mark.skipif(bool(missing_tools()), reason=f"needs {', '.join(missing_tools())} of Triton's wheel")


def compiled(folder: Path, *options: str, code: int = 0) -> list[dict[str, Any]]:
    """The builds that the benchmark's command makes; it prints a table, shown when the test fails."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "benchmarks.kernels_build", "--json", str(folder / "builds.json"), *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == code, done.stdout + done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads((folder / "builds.json").read_text())
    return found


def test_twins_compile_without_spills(tmp_path: Path) -> None:
    shapes = ("--shapes", "1.3B", "--pictures", "384 eighth", "--dtypes", "bfloat16")
    found = compiled(tmp_path, *shapes, "--capabilities", "80", "90", "100")
    assert {(each["kernel"], each["capability"]) for each in found} == {(k, sm) for k in KERNELS for sm in SHARED_BYTES}
    for each in found:
        assert each["spilled_bytes"] == 0, each
        assert 0 < each["registers"] <= 255, each
        assert each["shared_bytes"] <= SHARED_BYTES[each["capability"]], each
        assert each["vector_accesses"] > 0, each
        assert (each["matrix_instructions"] > 0) == (each["kernel"] == "ring_attention"), each


def test_float32_twins_compile_without_spills(tmp_path: Path) -> None:
    shapes = ("--shapes", "minigrid x256", "--pictures", "384 eighth", "--dtypes", "float32", "--capabilities", "90")
    assert {each["spilled_bytes"] for each in compiled(tmp_path, *shapes)} == {0}


def test_a_build_that_must_spill_is_told(tmp_path: Path) -> None:
    shapes = ("--shapes", "minigrid x256", "--pictures", "384 eighth", "--capabilities", "80", "--max-registers", "32")
    found = compiled(tmp_path, *shapes, code=1)
    assert max(each["spilled_bytes"] for each in found) > 0
    assert max(each["registers"] for each in found) <= 32
