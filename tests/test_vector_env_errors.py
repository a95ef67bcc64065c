"""`WorldModelVectorEnv` under bad input: one clear error, and the worlds as they were."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded

import wm_gym
from tests.endless_worlds import TEXTS
from tests.production import unchecked
from wm_gym.vector_env import WorldModelVectorEnv
from wm_gym.vector_state import VectorEnvState

assert wm_gym  # registers

ACTIONS = ("go left", "", "go down")


@pytest.fixture
def envs(checkpoint: Path) -> WorldModelVectorEnv:
    return WorldModelVectorEnv(3, checkpoint=checkpoint, render_mode="rgb_array")


def live(envs: WorldModelVectorEnv, num_steps: int = 4) -> list[Any]:
    """What the worlds answer, as comparable values."""
    steps = [envs.step([TEXTS[(number + row) % 5] for row in range(envs.num_envs)]) for number in range(num_steps)]
    return [tuple(part.tobytes() for part in parts) for *parts, _ in steps]


BAD_ACTIONS: dict[str, tuple[Any, str]] = {
    "too few": (["", ""], "actions must be 3 actions, one a world, got 2 of them"),
    "too many": ([""] * 4, "actions must be 3 actions, one a world, got 4 of them"),
    "one text": ("go", "actions must be 3 actions, one a world, got 'go'"),
    "none": (None, "actions must be 3 actions, one a world, got None"),
    "a single number": (np.array(1), r"actions must be 3 actions, one a world, got array\(1\)"),
    "no text": (["", 3, ""], r"actions\[1\]: action must be a string"),
    "not printable": (["", "", "\x00"], r"actions\[2\]: action must be printable"),
    "numbers": ([np.zeros(2), "", ""], r"actions\[0\]: action must be a text"),
}


@pytest.mark.parametrize("case", BAD_ACTIONS)
def test_bad_actions_are_one_clear_error_and_change_nothing(envs: WorldModelVectorEnv, case: str) -> None:
    actions, message = BAD_ACTIONS[case]
    envs.reset(seed=0)
    expected = live(envs)
    envs.reset(seed=0)
    with unchecked(), pytest.raises(ValueError, match=message):
        envs.step(actions)
    assert live(envs) == expected


def test_bad_number_is_a_clear_error(checkpoint: Path) -> None:
    envs = gym.make_vec("wm_gym/WorldDiscrete-v0", num_envs=2, checkpoint=checkpoint)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions\[1\]: action must be an integer from 0 to 3, got .*4"):
        envs.step(np.array([0, 4]))


BAD_MASKS: dict[str, Any] = {
    "a list": [True, False, False],
    "integers": np.array([1, 0, 0]),
    "too short": np.array([True]),
    "nobody": np.zeros(3, np.bool_),
    "none": None,
}


@pytest.mark.parametrize("case", BAD_MASKS)
def test_bad_mask_is_one_clear_error_and_changes_nothing(envs: WorldModelVectorEnv, case: str) -> None:
    envs.reset(seed=0)
    expected = live(envs)
    envs.reset(seed=0)
    with unchecked(), pytest.raises(ValueError, match="reset_mask must be a bool array of 3, one a world"):
        envs.reset(options={"reset_mask": BAD_MASKS[case]})
    assert live(envs) == expected


BAD_RESETS: dict[str, tuple[dict[str, Any], str]] = {
    "seeds": ({"seed": [0, 1]}, "seed must be an integer from 0 up, or 3 of them"),
    "seed": ({"seed": -1}, "seed must be an integer from 0 up, or 3 of them"),
    "option": ({"options": {"level": 1}}, "options must be among"),
    "options": ({"options": 3}, "options must be a dict"),
    "world": ({"options": {"world": "pong"}}, "world must be 'slide', got 'pong'"),
}


@pytest.mark.parametrize("case", BAD_RESETS)
def test_bad_reset_is_a_clear_error_and_changes_nothing(envs: WorldModelVectorEnv, case: str) -> None:
    arguments, message = BAD_RESETS[case]
    envs.reset(seed=0)
    expected = live(envs)
    envs.reset(seed=0)
    with unchecked(), pytest.raises(ValueError, match=message):
        envs.reset(**arguments)
    assert live(envs) == expected


BAD_ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "num_envs": ({"num_envs": 0}, "num_envs must be an integer and at least 1, got 0"),
    "limit": ({"max_episode_steps": 0}, "max_episode_steps must be an integer and at least 1, got 0"),
    "mode": ({"autoreset_mode": "never"}, "autoreset_mode must be an AutoresetMode or one of 'NextStep'.*got 'never'"),
    "render mode": ({"render_mode": "human"}, "render_mode of a vector env must be None or 'rgb_array', got 'human'"),
    "temperature": ({"temperature": -1.0}, "temperature must be a finite number and at least 0"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_argument_is_a_clear_error(checkpoint: Path, case: str) -> None:
    arguments, message = BAD_ARGUMENTS[case]
    with unchecked(), pytest.raises(ValueError, match=message):
        WorldModelVectorEnv(checkpoint=checkpoint, **arguments)


BEFORE_RESET: list[Callable[[WorldModelVectorEnv], Any]] = [
    lambda envs: envs.step(ACTIONS),
    lambda envs: envs.render(),
    lambda envs: envs.clone_state(),
    lambda envs: envs.reset(options={"reset_mask": np.array([True, False, False])}),
]


@pytest.mark.parametrize("use", BEFORE_RESET)
def test_use_before_reset_is_a_clear_error(envs: WorldModelVectorEnv, use: Callable[..., Any]) -> None:
    with pytest.raises(ResetNeeded, match=r"all worlds must be reset before .*call reset\(\)"):
        use(envs)


def test_step_of_an_ended_row_without_autoreset_names_it(checkpoint: Path) -> None:
    envs = WorldModelVectorEnv(2, checkpoint=checkpoint, max_episode_steps=2, autoreset_mode="Disabled")
    envs.reset(seed=0)
    envs.step(["", ""])
    envs.reset(options={"reset_mask": np.array([True, False])})
    envs.step(["", ""])
    with pytest.raises(ResetNeeded, match=r"got worlds \[1\] that ended; call reset\(options="):
        envs.step(["", ""])


@pytest.mark.parametrize("use", [*BEFORE_RESET[:2], WorldModelVectorEnv.reset])
def test_closed_env_is_one_clear_error(envs: WorldModelVectorEnv, use: Callable[..., Any]) -> None:
    envs.reset(seed=0)
    envs.close()
    envs.close()
    with pytest.raises(ClosedEnvironmentError, match=r"must not be called after close\(\)"):
        use(envs)


def test_foreign_states_are_clear_errors(envs: WorldModelVectorEnv, checkpoint: Path, chunk_checkpoint: Path) -> None:
    def state_of(num_envs: int, folder: Path) -> VectorEnvState:
        other = WorldModelVectorEnv(num_envs, checkpoint=folder)
        other.reset(seed=0)
        return other.clone_state()

    with pytest.raises(ValueError, match=r"state must come from clone_state\(\) of a vector env, got EnvState"):
        envs.restore_state(state_of(1, checkpoint).row(0))
    with pytest.raises(ValueError, match="state must hold 3 worlds, got 2"):
        envs.restore_state(state_of(2, checkpoint))
    with pytest.raises(ValueError, match="state must come from this checkpoint"):
        envs.restore_state(state_of(3, chunk_checkpoint))


def test_generators_of_other_worlds_are_refused(envs: WorldModelVectorEnv) -> None:
    envs.reset(seed=0)
    state = envs.clone_state(include_rng=True)
    assert state.rng is not None
    with pytest.raises(ValueError, match="state must hold 3 generators, got 2"):
        envs.restore_state(replace(state, rng=state.rng[:2]))
    with pytest.raises(ValueError, match="state must be of the world 'slide', got one of 'elsewhere'"):
        envs.restore_state(replace(state, world="elsewhere"))
