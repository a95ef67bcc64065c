"""`WorldModelEnv`: steps, ends, rendering and bad input, on tiny untrained worlds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.error import ClosedEnvironmentError, ResetNeeded

from tests.endless_worlds import TEXTS, live, set_termination_logit
from tests.production import unchecked
from tests.worlds import FRAME_SIZE
from wm_gym.decoder.chunk_sampler import SwinSampler
from wm_gym.decoder.guidance import Guidance
from wm_gym.env import WorldModelEnv
from wm_gym.keys import key_codes


@pytest.fixture
def env(checkpoint: Path) -> WorldModelEnv:
    return WorldModelEnv(checkpoint=checkpoint, render_mode="rgb_array")


def test_spaces_are_text_and_chunk(env: WorldModelEnv) -> None:
    assert env.observation_space.shape == (1, *FRAME_SIZE, 3)
    assert "walk forward, please!" in env.action_space
    assert "é" not in env.action_space


def test_same_seed_and_actions_repeat_bit_for_bit(checkpoint: Path) -> None:
    def run() -> list[Any]:
        env = WorldModelEnv(checkpoint=checkpoint)
        env.reset(seed=7)
        return live(env, TEXTS)

    assert run() == run()


def test_another_seed_gives_other_noise(env: WorldModelEnv) -> None:
    def run(seed: int) -> list[Any]:
        env.reset(seed=seed, options={"index": 0})
        return live(env, TEXTS)

    assert run(0) != run(1)


def test_global_generators_play_no_part(env: WorldModelEnv) -> None:
    def run(seed: int) -> list[Any]:
        torch.manual_seed(seed)
        env.reset(seed=3)
        return live(env, TEXTS)

    assert run(0) == run(1)


def test_step_returns_plain_values_inside_the_spaces(env: WorldModelEnv) -> None:
    env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step("go left")
    assert observation in env.observation_space
    assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
    assert {name: type(value) for name, value in info.items()} == {
        "rewards": np.ndarray,
        "termination_probability": float,
        "uncertainty": float,
    }


def test_rewards_of_the_frames_sum_to_the_reward(chunk_checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=chunk_checkpoint)
    env.reset(seed=0)
    _, reward, _, _, info = env.step("go left")
    assert info["rewards"].shape == (2,)
    assert info["rewards"].sum() == pytest.approx(reward)


def test_latencies_are_milliseconds_by_stage(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=checkpoint, report_latencies=True)
    env.reset(seed=0)
    info = env.step("go left")[-1]
    assert info["latencies"] == env.latencies
    assert {"transition", "decoder", "autoencoder"} <= set(info["latencies"])
    assert 0 < info["latencies"]["decoder"] < 60_000


def test_writing_into_an_observation_changes_nothing(env: WorldModelEnv) -> None:
    env.reset(seed=0)
    expected = live(env, TEXTS)
    observation, _ = env.reset(seed=0)
    observation[:] = 0
    assert live(env, TEXTS) == expected


def test_render_is_the_last_frame(chunk_checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=chunk_checkpoint, render_mode="rgb_array")
    env.reset(seed=0)
    observation, *_ = env.step("go left")
    frame = env.render()
    assert frame is not None
    np.testing.assert_array_equal(frame, observation[-1])


def test_render_gives_a_copy(env: WorldModelEnv) -> None:
    observation, _ = env.reset(seed=0)
    frame = env.render()
    assert frame is not None
    frame[:] = 0
    np.testing.assert_array_equal(env.render(), observation[-1])


def test_render_without_a_mode_warns(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=checkpoint)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode='rgb_array'"):
        assert env.render() is None


def test_render_fps_is_the_worlds(env: WorldModelEnv) -> None:
    assert env.metadata["render_fps"] == env.model.card.worlds["slide"].render_fps == 5


def test_temperature_scales_the_noise_away(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=checkpoint, temperature=0.0)

    def run(seed: int) -> list[Any]:
        env.reset(seed=seed, options={"index": 0})
        return live(env, TEXTS)

    assert run(0) == run(1)


def test_num_denoising_steps_changes_the_dream(checkpoint: Path) -> None:
    def run(num_denoising_steps: int) -> list[Any]:
        env = WorldModelEnv(checkpoint=checkpoint, num_denoising_steps=num_denoising_steps)
        env.reset(seed=0)
        return live(env, TEXTS)

    assert run(1) != run(3)


@pytest.mark.parametrize(
    ("arguments", "guidance"),
    [
        ({"guidance_scale": 3.0}, Guidance(action_scale=3.0)),
        ({"state_guidance_scale": 0.5}, Guidance(state_scale=0.5)),
    ],
)
def test_guidance_is_that_of_the_model(checkpoint: Path, arguments: dict[str, Any], guidance: Guidance) -> None:
    env = WorldModelEnv(checkpoint=checkpoint, **arguments)
    env.reset(seed=0)
    state = env.clone_state().world_state
    _, guided = env.model.step(state, ["go left"], guidance=guidance)
    _, plain = env.model.step(state, ["go left"])
    chunk = env.step("go left")[0]
    np.testing.assert_array_equal(chunk, guided.frames[0].numpy())
    assert (chunk != plain.frames[0].numpy()).any()


def test_sampling_is_that_of_the_model(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=checkpoint, sampling="swin")
    env.reset(seed=0)
    assert isinstance(env.model.sampler, SwinSampler)
    assert env.clone_state().world_state.streams


def test_guidance_under_swin_is_refused_at_once(checkpoint: Path) -> None:
    message = 'guidance_scale and state_guidance_scale must be 1 under sampling "swin", got 2 and 1'
    with pytest.raises(ValueError, match=message):
        WorldModelEnv(checkpoint=checkpoint, sampling="swin", guidance_scale=2.0)


def test_max_uncertainty_truncates(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=checkpoint, max_uncertainty=0.0)
    env.reset(seed=0)
    _, _, _, truncated, info = env.step("go left")
    assert info["uncertainty"] > 0
    assert truncated is True


def test_uncertainty_does_not_truncate_by_default(env: WorldModelEnv) -> None:
    env.reset(seed=0)
    assert env.step("go left")[3] is False


def test_step_before_reset_is_an_error(env: WorldModelEnv) -> None:
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        env.step("go left")


def test_step_after_truncation_is_an_error_until_reset(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=checkpoint, max_uncertainty=0.0)
    env.reset(seed=0)
    env.step("go left")
    with pytest.raises(ResetNeeded, match=r"ended at step 1; call reset\(\)"):
        env.step("go left")
    env.reset(seed=0)
    env.step("go left")


def test_step_after_termination_is_an_error(env: WorldModelEnv) -> None:
    set_termination_logit(env.model, 9.0)
    env.reset(seed=0)
    assert env.step("go left")[2] is True
    with pytest.raises(ResetNeeded, match="after the end"):
        env.step("go left")


def test_action_meanings_are_the_canonical_phrases(env: WorldModelEnv) -> None:
    assert env.get_action_meanings() == ["go left", "go right", "go down", "wait"]


def test_keys_give_texts_inside_the_action_space(env: WorldModelEnv) -> None:
    assert env.get_keys_to_action() == key_codes(env.key_map)
    assert all(text in env.action_space for text in [*env.get_keys_to_action().values(), env.noop])


def test_close_may_be_called_twice(env: WorldModelEnv) -> None:
    env.close()
    env.close()


@pytest.mark.parametrize("method", ["reset", "step", "render", "clone_state", "restore_state"])
def test_a_closed_env_says_so(env: WorldModelEnv, method: str) -> None:
    env.reset(seed=0)
    arguments: dict[str, list[Any]] = {"step": ["wait"], "restore_state": [env.clone_state()]}
    given = arguments.get(method, [])
    env.close()
    with pytest.raises(ClosedEnvironmentError, match=rf"{method} must not be called after close\(\).*make another one"):
        getattr(env, method)(*given)


def test_context_noise_repeats_by_seed_and_from_a_clone(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=checkpoint, context_noise=0.3)
    env.reset(seed=0)
    saved = env.clone_state()
    first = live(env, TEXTS)
    env.restore_state(saved)
    assert live(env, TEXTS) == first
    env.reset(seed=0)
    assert live(env, TEXTS) == first
    clear = WorldModelEnv(checkpoint=checkpoint)
    clear.reset(seed=0)
    assert live(clear, TEXTS) != first


BAD_STEPS: dict[str, tuple[Any, str]] = {
    "no string": (3, "action must be a string.*got 3 of type int"),
    "none": (None, "action must be a string.*got None"),
    "bytes": (b"go left", "action must be a string"),
    "too long": ("x" * 257, "at most 256 characters, got 257"),
    "not printable": ("go left\x00", r"printable.*got.*\\x00"),
    "not ASCII": ("gehe nach süden", "printable.*got.*ü"),
}


@pytest.mark.parametrize("case", BAD_STEPS)
def test_bad_action_is_a_clear_error_and_changes_nothing(env: WorldModelEnv, case: str) -> None:
    action, message = BAD_STEPS[case]
    env.reset(seed=0)
    expected = live(env, TEXTS)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)
    assert live(env, TEXTS) == expected


BAD_ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "render mode": ({"render_mode": "ansi"}, "render_mode must be None, 'rgb_array' or 'human', got 'ansi'"),
    "denoising steps": ({"num_denoising_steps": 0}, "num_denoising_steps must be an integer and at least 1, got 0"),
    "half a denoising step": ({"num_denoising_steps": 1.5}, "num_denoising_steps must be an integer .*got 1.5"),
    "temperature": ({"temperature": -1.0}, "temperature must be a finite number and at least 0, got -1.0"),
    "context noise": ({"context_noise": -0.1}, "context_noise must be a finite number and at least 0, got -0.1"),
    "no context noise": ({"context_noise": None}, "context_noise must be a finite number and at least 0, got None"),
    "guidance": ({"guidance_scale": -1.0}, "guidance_scale must be a finite number and at least 0, got -1.0"),
    "no guidance": ({"state_guidance_scale": None}, "state_guidance_scale must be a finite number .*got None"),
    "sampling": ({"sampling": "shuffled"}, "sampling must be None, autoregressive or swin, got 'shuffled'"),
    "temperature in words": ({"temperature": "hot"}, "temperature must be a finite number .*got 'hot'"),
    "uncertainty": ({"max_uncertainty": float("nan")}, "max_uncertainty must be a finite number .*got nan"),
    "device": ({"device": "abacus"}, "device must be one that torch has here, got 'abacus'"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_argument_is_a_clear_error(checkpoint: Path, case: str) -> None:
    arguments, message = BAD_ARGUMENTS[case]
    with unchecked(), pytest.raises(ValueError, match=message):
        WorldModelEnv(checkpoint=checkpoint, **arguments)


def test_unknown_world_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="world must be one of .*minigrid.*, got 'atlantis'"):
        WorldModelEnv("atlantis")


def test_missing_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="checkpoint must be"):
        WorldModelEnv(checkpoint=tmp_path)
