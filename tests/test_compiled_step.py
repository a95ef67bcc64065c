"""A compiled step gives what the plain one gives, in one graph, and asks for its compiler before it needs it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import pytest

import wm_gym  # noqa: F401  # registers
from tests.worlds import tiny_size, write_tiny_checkpoint
from wm_gym.data.mixture import open_mixture
from wm_gym.training.presets import untrained_world_model
from wm_gym.world_model import WorldModel

ROOT = Path(__file__).parents[1]


def test_steps_equal_the_plain_ones_in_one_graph_for_each_size(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "window", window_chunks=2)
    autoencoder = WorldModel.from_pretrained(tmp_path / "window").autoencoder
    size = replace(tiny_size(), memory_rounds=2, memory_slots=4)
    recalling = untrained_world_model(open_mixture([tmp_path / "window-data"]), autoencoder, size)
    recalling.save_pretrained(tmp_path / "memory")
    checkpoints = [str(tmp_path / name) for name in ("window", "memory", "window:swin")]
    command = [sys.executable, "-m", "tests.compiled", *checkpoints]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for found in json.loads(result.stdout):
        assert max(found[name] for name in ("frames", "probability", "latents")) < 1e-5
        more = {"window": [1, 1], "memory": [1, 0]}.get(found["name"], [])
        assert found["graphs"] == [1, 0, 0, *more]


def test_env_is_compiled_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_checkpoint(tmp_path / "checkpoint")
    monkeypatch.setenv("CXX", "no-such-compiler")
    for make in (gym.make, gym.make_vec):
        make("wm_gym/World-v0", checkpoint=tmp_path / "checkpoint").close()
        with pytest.raises(ValueError, match="compiled must be False without a C\\+\\+ compiler.*'no-such-compiler'"):
            make("wm_gym/World-v0", checkpoint=tmp_path / "checkpoint", compiled=True)
