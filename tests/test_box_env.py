"""One checkpoint of several worlds, and the env whose actions are numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import wm_gym
from tests.worlds import FRAME_SIZE, tiny_general_model
from wm_gym.start import twin_start
from wm_gym.world_model import WorldModel

assert wm_gym  # registers


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("general")
    tiny_general_model(folder / "data").save_pretrained(folder / "checkpoint")
    return folder / "checkpoint"


@pytest.fixture
def model(checkpoint: Path) -> WorldModel:
    return WorldModel.from_pretrained(checkpoint)


def make(checkpoint: Path, world: str, kind: str = "") -> Any:
    return gym.make(f"wm_gym/World{kind}-v0", world=world, checkpoint=checkpoint, render_mode="rgb_array")


def test_round_trip_keeps_worlds_and_language(checkpoint: Path, model: WorldModel, tmp_path: Path) -> None:
    assert list(model.card.worlds) == ["slide", "steer"]
    card = model.save_pretrained(tmp_path)
    assert card == model.card
    assert {path.name for path in (tmp_path / "starts").iterdir()} == {"slide.png", "steer.png"}


@pytest.mark.parametrize("kind", ["", "Discrete", "Box"])
def test_check_env_passes(checkpoint: Path, kind: str) -> None:
    check_env(make(checkpoint, "steer", kind).unwrapped)


def test_numbers_within_the_worlds_own_range_are_taken(checkpoint: Path) -> None:
    env = make(checkpoint, "steer", "Box")
    assert env.action_space == gym.spaces.Box(np.array([-1, 0], np.float32), np.array([1, 1], np.float32))
    observation, _ = env.reset(seed=0)
    assert observation.shape == (*FRAME_SIZE, 3)
    env.step(env.action_space.sample())


@pytest.mark.parametrize("action", [[0.0], [0.0, 2.0], [np.nan, 0.0], "go left", None])
def test_bad_numbers_are_a_clear_error_and_leave_the_env_usable(checkpoint: Path, action: Any) -> None:
    env = make(checkpoint, "steer", "Box").unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action must be 2 numbers from \[-1.0, 0.0\] to \[1.0, 1.0\], got .*; clip"):
        env.step(action)
    env.step(np.zeros(2, np.float32))


def test_text_env_takes_numbers_too(checkpoint: Path) -> None:
    text, box = make(checkpoint, "steer"), make(checkpoint, "steer", "Box")
    text.reset(seed=3)
    box.reset(seed=3)
    numbers = np.array([0.5, 0.25], np.float32)
    np.testing.assert_array_equal(text.unwrapped.step(numbers)[0][-1], box.step(numbers)[0])


def test_a_world_of_texts_has_no_box_env(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="world must be one with numeric actions, got 'slide'"):
        make(checkpoint, "slide", "Box")


def test_a_world_of_texts_refuses_numbers(checkpoint: Path) -> None:
    env = make(checkpoint, "slide").unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="this world takes no numbers"):
        env.step(np.zeros(2, np.float32))


def test_the_world_must_be_named_where_there_are_several(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="world must be one of slide, steer, got None"):
        gym.make("wm_gym/World-v0", checkpoint=checkpoint)


def test_a_clip_shows_how_things_move(model: WorldModel) -> None:
    frames = torch.cat([model.starts["slide"][:2], model.starts["slide"][1:3]], dim=1)
    moving = model.reset(frames, seeds=[0, 1])
    still = model.reset(frames[:, 1:], seeds=[0, 1])
    assert torch.equal(moving.frames, still.frames)
    after = [model.step(state, ["wait", "wait"])[0].latents[:, -1] for state in (moving, still)]
    assert not torch.equal(*after)


def test_context_noise_leaves_what_the_state_keeps_clean(model: WorldModel) -> None:
    state = model.reset(model.starts["slide"][:2], seeds=[0, 1])
    after, _ = model.step(state, ["wait", "wait"], context_noise=0.3)
    assert torch.equal(after.latents[:, 0], state.latents[:, 1])


def test_text_and_numbers_step_in_one_batch(model: WorldModel) -> None:
    state = model.reset(model.starts["steer"][:3], seeds=[0, 1, 2])
    numbers = np.array([0.5, -1.0], np.float32)
    together, _ = model.step(state, ["go left", numbers, "wait"])
    alone, _ = model.step(state.select([1]), [numbers])
    torch.testing.assert_close(together.latents[1:2], alone.latents, atol=1e-5, rtol=0)


@pytest.mark.parametrize("numbers", [np.zeros(5), np.array([2.0]), np.array([np.nan]), np.zeros((1, 2))])
def test_numbers_out_of_range_are_refused_by_the_model(model: WorldModel, numbers: np.ndarray) -> None:
    state = model.reset(model.starts["steer"][:1], seeds=[0])
    with pytest.raises(ValueError, match=r"action must be 1 to 4 numbers in \[-1, 1\]"):
        model.step(state, [numbers])


def test_a_world_without_start_frames_says_so(model: WorldModel, tmp_path: Path) -> None:
    WorldModel(replace(model.parts(), starts={})).save_pretrained(tmp_path)
    env = make(tmp_path, "slide").unwrapped
    with pytest.raises(ValueError, match=r"'slide' starts, got no frames: .*; pass reset\(options="):
        env.reset(seed=0)


def test_a_world_without_start_frames_starts_where_its_twin_does() -> None:
    start = twin_start("minigrid", 3)
    np.testing.assert_array_equal(start, gym.make("envs:real/MiniGrid-v0").reset(seed=3)[0])
