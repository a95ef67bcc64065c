"""Where an episode starts: what `reset(options=...)` takes and how it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.endless_worlds import TEXTS, live
from tests.production import unchecked
from tests.worlds import FRAME_SIZE
from wm_gym.env import WorldModelEnv

START = np.full((1, *FRAME_SIZE, 3), 60, np.uint8)


@pytest.fixture
def env(checkpoint: Path) -> WorldModelEnv:
    return WorldModelEnv(checkpoint=checkpoint, render_mode="rgb_array")


def test_reset_draws_a_start_of_the_checkpoint(env: WorldModelEnv) -> None:
    observation, info = env.reset(seed=4)
    np.testing.assert_array_equal(observation, env.model.starts["slide"][info["index"]].numpy())


def test_reset_without_a_seed_goes_on_drawing(env: WorldModelEnv) -> None:
    env.reset(seed=0)
    drawn = {env.reset()[1]["index"] for _ in range(20)}
    assert len(drawn) > 1


def test_reset_starts_from_an_index(env: WorldModelEnv) -> None:
    observation, info = env.reset(options={"index": 2})
    np.testing.assert_array_equal(observation, env.model.starts["slide"][2].numpy())
    assert info == {"start": "index", "index": 2}


def test_reset_starts_from_frames_of_the_user(env: WorldModelEnv) -> None:
    observation, info = env.reset(options={"frames": START})
    np.testing.assert_array_equal(observation, START)
    assert info == {"start": "frames"}


def test_reset_repeats_an_image_to_a_chunk(chunk_checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=chunk_checkpoint)
    observation, _ = env.reset(options={"frames": START[0]})
    np.testing.assert_array_equal(observation, np.concatenate([START, START]))


def test_reset_keeps_no_hold_of_the_users_frames(env: WorldModelEnv) -> None:
    frames = START.copy()
    env.reset(options={"frames": frames})
    frames[:] = 0
    assert env.clone_state().observation.max() == 60


def test_reset_takes_the_name_of_its_own_world(env: WorldModelEnv) -> None:
    env.reset(options={"world": "slide"})


BAD_OPTIONS: dict[str, tuple[Any, str]] = {
    "size": ({"frames": START[:, :8]}, r"frames must have the shape .*got \(1, 8, 32, 3\); resize"),
    "channels first": ({"frames": START[0].transpose(2, 0, 1)}, r"got \(3, 32, 32\); resize"),
    "clip": ({"frames": np.concatenate([START] * 3)}, r"got \(3, 32, 32, 3\); choose .*frames\[-1:\]"),
    "float": ({"frames": START / 255}, r"frames must be uint8 in \[0, 255\], got float64 in .*scale floats"),
    "range": ({"frames": START.astype(int) * 9}, r"got int64 in \[540, 540\]; clip"),
    "words": ({"frames": "a room"}, "frames must be uint8.*pass an image"),
    "index": ({"index": 999}, r"index must be an integer from 0 to \d+, got 999"),
    "negative episode": ({"episode": -1}, "episode must be an integer"),
    "index of text": ({"index": "first"}, "index must be an integer"),
    "unknown option": ({"frame": START}, "options must be among frames, state, .*, world, event, got 'frame'"),
    "two starts": ({"index": 0, "frames": START}, "options must name one start, got frames and index"),
    "unknown world": ({"world": "pong"}, "world must be 'slide', got 'pong'"),
    "options in a list": ([0], r"options must be a dict .*got \[0\]"),
    "nothing in a list": ([], r"options must be a dict .*got \[\]"),
    "names of two kinds": ({1: 2, "frame": 3}, "got 1, 'frame'"),
    "ragged": ({"frames": [[1, 2], [3]]}, "frames must be an image or a clip, got .*NumPy array"),
    "no state": ({"state": 5}, "state must be an EnvState or a WorldState, got int"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_option_is_a_clear_error_and_changes_nothing(env: WorldModelEnv, case: str) -> None:
    options, message = BAD_OPTIONS[case]
    env.reset(seed=0)
    expected = live(env, TEXTS)
    env.reset(seed=0)
    with unchecked(), pytest.raises(ValueError, match=message):
        env.reset(seed=9, options=options)
    assert live(env, TEXTS) == expected
