"""Saved episodes: cloning, restoring and starting from them, bit for bit."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from tests.endless_worlds import TEXTS, live
from wm_gym.env import WorldModelEnv
from wm_gym.world_state import WorldState


@pytest.fixture
def env(checkpoint: Path) -> WorldModelEnv:
    return WorldModelEnv(checkpoint=checkpoint, render_mode="rgb_array")


def test_restored_state_goes_on_bit_for_bit(env: WorldModelEnv) -> None:
    env.reset(seed=1)
    live(env, TEXTS)
    saved = env.clone_state()
    expected = live(env, TEXTS * 10)
    for _ in range(2):
        env.restore_state(saved)
        assert live(env, TEXTS * 10) == expected


def test_restored_state_shows_its_frame(env: WorldModelEnv) -> None:
    env.reset(seed=1)
    observation, *_ = env.step("go left")
    saved = env.clone_state()
    env.step("go down")
    env.restore_state(saved)
    np.testing.assert_array_equal(env.render(), observation[-1])


def test_restored_state_runs_in_another_env_of_the_checkpoint(env: WorldModelEnv, checkpoint: Path) -> None:
    env.reset(seed=1)
    saved = env.clone_state()
    other = WorldModelEnv(checkpoint=checkpoint)
    other.restore_state(saved)
    assert live(other, TEXTS) == live(env, TEXTS)


def test_restored_end_is_an_end(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=checkpoint, max_uncertainty=0.0)
    env.reset(seed=0)
    env.step("go left")
    ended = env.clone_state()
    env.reset(seed=0)
    env.restore_state(ended)
    with pytest.raises(ResetNeeded):
        env.step("go left")


def test_clone_counts_the_steps(env: WorldModelEnv) -> None:
    env.reset(seed=0)
    live(env, TEXTS)
    assert env.clone_state().elapsed_steps == len(TEXTS)


def test_clone_with_rng_repeats_the_next_reset(env: WorldModelEnv) -> None:
    env.reset(seed=0)
    saved = env.clone_state(include_rng=True)
    expected = [env.reset()[1]["index"] for _ in range(8)]
    env.restore_state(saved)
    assert [env.reset()[1]["index"] for _ in range(8)] == expected


def test_clone_before_reset_is_an_error(env: WorldModelEnv) -> None:
    with pytest.raises(ResetNeeded):
        env.clone_state()


def test_reset_starts_from_a_saved_world_state(env: WorldModelEnv, tmp_path: Path) -> None:
    env.reset(seed=1)
    observation, *_ = env.step("go left")
    env.clone_state().world_state.save(tmp_path / "state.safetensors")
    expected = live(env, TEXTS)
    loaded = WorldState.load(tmp_path / "state.safetensors")
    started, info = env.reset(seed=5, options={"state": loaded})
    np.testing.assert_array_equal(started, observation)
    assert info == {"start": "state"}
    assert live(env, TEXTS) == expected


def test_reset_from_an_ended_state_begins_anew(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=checkpoint, max_uncertainty=0.0)
    env.reset(seed=0)
    env.step("go left")
    env.reset(options={"state": env.clone_state()})
    env.step("go left")


def test_pickled_env_repeats(env: WorldModelEnv) -> None:
    copy = pickle.loads(pickle.dumps(env))
    env.reset(seed=2), copy.reset(seed=2)
    assert live(copy, TEXTS) == live(env, TEXTS)


@pytest.mark.parametrize("use", [WorldModelEnv.restore_state, lambda env, state: env.reset(options={"state": state})])
def test_state_of_another_checkpoint_is_a_clear_error(
    env: WorldModelEnv, chunk_checkpoint: Path, use: Callable[[WorldModelEnv, Any], Any]
) -> None:
    other = WorldModelEnv(checkpoint=chunk_checkpoint)
    other.reset(seed=0)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="state must be of this checkpoint"):
        use(env, other.clone_state())
    env.step("go left")


def test_state_of_another_world_is_a_clear_error(env: WorldModelEnv) -> None:
    env.reset(seed=0)
    state = env.clone_state()
    foreign = replace(state, world="elsewhere")
    with pytest.raises(ValueError, match=f"state must be of the world '{env.world}', got one of 'elsewhere'"):
        env.restore_state(foreign)
    with pytest.raises(ValueError, match="state must be of the world"):
        env.reset(options={"state": foreign})
    env.restore_state(replace(state, world=None))  # of nobody knows which: it was loaded


def test_foreign_generator_leaves_the_env_as_it_was(env: WorldModelEnv) -> None:
    env.reset(seed=0)
    start = env.clone_state(include_rng=True)
    env.step("go left")
    step = env.clone_state()
    with pytest.raises(ValueError, match="PCG64"):
        env.restore_state(replace(start, rng={"bit_generator": "MT19937"}))
    assert env.clone_state().elapsed_steps == step.elapsed_steps == 1


def test_state_of_two_worlds_is_a_clear_error(env: WorldModelEnv) -> None:
    env.reset(seed=0)
    two = env.clone_state().world_state.repeat(2)
    with pytest.raises(ValueError, match="state must hold one world, got 2"):
        env.reset(options={"state": two})


def test_restoring_something_else_is_a_clear_error(env: WorldModelEnv) -> None:
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"state must come from clone_state\(\), got WorldState"):
        env.restore_state(env.clone_state().world_state)
