"""The GPU's benchmark, on the CPU with tiny shapes: it must run when a GPU comes."""

import argparse
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu, gpu_chunk, gpu_shapes

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.skipif(find_spec("triton") is None, reason="needs triton, which this platform may not have")
def test_smoke_run_measures_every_section(checkpoint: Path, tmp_path: Path) -> None:
    """In a process of its own, which runs the twins in the interpreter."""
    output = tmp_path / "results" / "gpu.json"
    command = [sys.executable, "-m", "benchmarks.gpu", "--smoke", "--device", "cpu", "--output", str(output)]
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [*command, "--checkpoints", str(checkpoint)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    results = json.loads(output.read_text())
    assert results["left_out"] == {} and results["versions"]["torch"]
    rows = [row for name in gpu.SECTIONS for row in results[name]["rows"]]
    assert [row for row in rows if "failed" in row] == []
    assert all(row["errors"]["triton"] < 0.01 and "triton" in row["milliseconds"] for row in results["kernels"]["rows"])
    assert {row["stage"] for row in results["chunk"]["rows"]} == {"decoder", "autoencoder", "copy", "transition"}
    assert [row["batch"] for row in results["worlds"]["rows"]] == [1, 2]
    assert done.stdout.rstrip().endswith(gpu.render(results).splitlines()[-1])


def test_a_section_without_its_packages_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(gpu.NEEDS, "chunk", ("torch", "no_such_package"))
    output = tmp_path / "gpu.json"
    assert gpu.main(["--sections", "chunk", "--device", "cpu", "--output", str(output)]) == 1
    assert "LEFT OUT chunk: needs no_such_package: bring the wheels along" in capsys.readouterr().out
    assert json.loads(output.read_text())["left_out"].keys() == {"chunk"}


def test_packages_that_came_along_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_package_that_came_along.py").touch()
    monkeypatch.setattr(sys, "path", list(sys.path))
    told: argparse.Namespace = gpu.parse(["--packages", str(tmp_path), "--device", "cpu"])
    assert told.packages == [tmp_path]
    assert find_spec("a_package_that_came_along") is not None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device to measure")
def test_without_a_device_one_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--output", str(tmp_path / "gpu.json")]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("a CUDA device must be there to be measured, got none") and told.err.count("\n") == 1
    assert told.out == "" and list(tmp_path.iterdir()) == []


def test_no_frames_a_second_end_to_end_where_a_stage_failed() -> None:
    rows: list[dict[str, Any]] = [{"stage": stage, "milliseconds": 100.0} for stage in ("transition", "autoencoder")]
    decoder = {"model": "1.3B", "stage": "decoder", "way": "ring, kernels", "window_frames": 21, "sink_frames": 0}
    rows.append({**decoder, "num_denoising_steps": 4, "milliseconds": 300.0})
    shape = gpu_shapes.SHAPES["1.3B"]
    (speed,) = gpu_chunk.frames_per_second([*rows, {"stage": "copy", "failed": "out of memory"}], shape)
    assert speed["loop_fps"] == pytest.approx(12 / 0.3) and speed["end_to_end_fps"] is None
    (speed,) = gpu_chunk.frames_per_second([*rows, {"stage": "copy", "milliseconds": 100.0}], shape)
    assert speed["end_to_end_fps"] == pytest.approx(12 / 0.6)
