"""Importing `envs` registers the twins and stays light; a simulator that is missing is named."""

import subprocess
import sys

import gymnasium as gym
import pytest

import envs  # noqa: F401  # registers

LIMITS = {"MiniGrid": 256, "Pong": 5000}
SIMULATORS = ("ale_py", "Box2D", "crafter", "gym3", "minigrid", "procgen", "pymunk", "torch", "vizdoom")


@pytest.mark.parametrize("world", LIMITS)
def test_twins_are_registered_with_a_time_limit(world: str) -> None:
    limits = [gym.spec(f"real/{world}{kind}-v0").max_episode_steps for kind in ("", "Discrete")]
    assert limits == [LIMITS[world]] * 2


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_import_loads_no_simulator() -> None:
    assert run(f"import sys, envs; sys.exit(any(name in sys.modules for name in {SIMULATORS}))").returncode == 0


@pytest.mark.parametrize(
    ("world", "module", "extra"), [("MiniGrid", "minigrid.core.grid", "minigrid"), ("Pong", "ale_py", "pong")]
)
def test_missing_simulator_says_what_to_install(world: str, module: str, extra: str) -> None:
    hide = f"import sys; sys.modules['{module}'] = None; import gymnasium; "
    assert f'run `pip install "wm-gym[{extra}]"`' in run(hide + f"gymnasium.make('envs:real/{world}-v0')").stderr
