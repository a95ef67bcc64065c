"""Compiled stages give what the plain ones give, and ask for their compiler before they need it."""

import json
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

import wm_gym  # noqa: F401  # registers
from tests.worlds import write_tiny_checkpoint

ROOT = Path(__file__).parents[1]


def test_steps_equal_the_plain_ones(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "checkpoint", window_chunks=2)
    command = [sys.executable, "-m", "tests.compiled", str(tmp_path / "checkpoint")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    apart = json.loads(result.stdout)
    assert apart["frames"] == 0
    assert max(apart["probability"], apart["keys"]) < 1e-5


def test_env_is_compiled_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_checkpoint(tmp_path / "checkpoint")
    monkeypatch.setenv("CXX", "no-such-compiler")
    for make in (gym.make, gym.make_vec):
        make("wm_gym/World-v0", checkpoint=tmp_path / "checkpoint").close()
        with pytest.raises(ValueError, match="compiled must be False without a C\\+\\+ compiler.*'no-such-compiler'"):
            make("wm_gym/World-v0", checkpoint=tmp_path / "checkpoint", compiled=True)
