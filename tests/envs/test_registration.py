"""Importing `envs` registers the twins and stays light."""

import subprocess
import sys

import gymnasium as gym
import pytest

import envs  # noqa: F401  # registers


@pytest.mark.parametrize("id", ["real/MiniGrid-v0", "real/MiniGridDiscrete-v0"])
def test_twins_are_registered_with_a_time_limit(id: str) -> None:
    assert gym.spec(id).max_episode_steps == 256


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_import_loads_no_simulator() -> None:
    assert run("import sys, envs; sys.exit('minigrid' in sys.modules or 'torch' in sys.modules)").returncode == 0


def test_missing_minigrid_says_what_to_install() -> None:
    hide = "import sys; sys.modules['minigrid.core.grid'] = None; import gymnasium; "
    code = hide + "gymnasium.make('envs:real/MiniGrid-v0')"
    assert 'run `pip install "wm-gym[minigrid]"`' in run(code).stderr
