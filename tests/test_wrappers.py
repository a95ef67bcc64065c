"""The wrappers, around envs of texts and chunks."""

from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np
import pygame
import pytest
from gymnasium.error import DependencyNotInstalled
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import wm_gym
from tests.worlds import MOVES, Slide
from wm_gym.keys import key_codes
from wm_gym.wrappers import (
    DiscreteActions,
    LastFrame,
    RecordChunks,
    RewardFunction,
    UncertaintyStop,
    VectorRewardFunction,
)

assert wm_gym  # registers


class Keyed(Slide):
    """`Slide` with keys for `gymnasium.utils.play`."""

    def get_keys_to_action(self) -> dict[tuple[int, ...], str]:
        return key_codes(self.key_map)


def test_last_frame_is_the_last_of_the_chunk() -> None:
    env, wrapped = Slide(chunk_frames=3), LastFrame(Slide(chunk_frames=3))
    env.reset(seed=0), wrapped.reset(seed=0)
    chunk, frame = env.step("go left")[0], wrapped.step("go left")[0]
    np.testing.assert_array_equal(frame, chunk[-1])


def test_last_frame_lies_in_its_space() -> None:
    env = LastFrame(Slide(chunk_frames=3))
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert observation.shape == (32, 32, 3)


def test_last_frame_refuses_single_frames() -> None:
    with pytest.raises(ValueError, match=r"env must observe uint8 chunks .* got Box"):
        LastFrame(LastFrame(Slide()))


def test_discrete_actions_say_the_canonical_phrases_in_order() -> None:
    env = DiscreteActions(Slide())
    assert env.get_action_meanings() == ["go left", "go right", "go down", "wait"]
    assert env.action_space == gym.spaces.Discrete(4)


@pytest.mark.parametrize("number", range(len(MOVES)))
def test_discrete_action_acts_as_its_text(number: int) -> None:
    text, discrete = Slide(), DiscreteActions(Slide())
    text.reset(seed=1), discrete.reset(seed=1)
    expected = text.step(discrete.get_action_meanings()[number])[0]
    np.testing.assert_array_equal(discrete.step(np.int64(number))[0], expected)


def test_discrete_actions_take_phrases_of_the_user() -> None:
    env = DiscreteActions(Slide(), phrases=["slide down", ""])
    assert env.get_action_meanings() == ["slide down", ""]
    assert env.action(1) == ""


@pytest.mark.parametrize("action", [4, -1, 1.5, "go left", None])
def test_discrete_actions_refuse_another_action(action: Any) -> None:
    env = DiscreteActions(Slide())
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action must be an integer from 0 to 3, got"):
        env.step(action)
    env.step(np.int64(0))


def test_discrete_actions_refuse_an_env_without_texts() -> None:
    numbered: Any = DiscreteActions(Slide())
    with pytest.raises(ValueError, match="env must take text actions, got Discrete"):
        DiscreteActions(numbered)


def test_discrete_actions_refuse_no_phrases() -> None:
    with pytest.raises(ValueError, match="phrases must hold at least one text"):
        DiscreteActions(Slide(), phrases=[])


def test_discrete_actions_refuse_a_phrase_that_is_no_action() -> None:
    with pytest.raises(ValueError, match="phrases must be texts that the env's action space allows, got 'süd'"):
        DiscreteActions(Slide(), phrases=["süd"])


def test_keys_give_numbers_and_leave_out_texts_without_one() -> None:
    env = DiscreteActions(Keyed(), phrases=["go down", "go left"])
    assert env.get_keys_to_action() == {(pygame.K_LEFT,): 1, (pygame.K_DOWN,): 0}


def test_noop_is_the_number_that_waits() -> None:
    assert DiscreteActions(Slide()).noop == 3
    assert DiscreteActions(Slide(), phrases=["go left", ""]).noop == 1


def test_wrappers_are_remade_from_the_spec() -> None:
    gym.register("tests/Slide-v0", entry_point="tests.worlds:Slide")
    env = LastFrame(DiscreteActions(gym.make("tests/Slide-v0"), phrases=["go left", "wait"]))
    assert env.spec is not None
    again = gym.make(env.spec)
    assert str(again) == str(env)
    assert again.get_wrapper_attr("get_action_meanings")() == ["go left", "wait"]


def film(env: gym.Env[Any, Any], num_steps: int) -> None:
    """An episode in which every frame differs from the one before, but for those of the start."""
    env.reset(seed=0)
    for _ in range(num_steps):
        env.step("go left")


def test_film_has_every_frame_of_every_chunk(tmp_path: Path) -> None:
    env = RecordChunks(Slide(chunk_frames=3), tmp_path)
    film(env, 4)
    env.close()
    path = tmp_path / "episode-0000.gif"
    assert len(imageio.imread(path, index=None)) == 1 + 4 * 3  # the start stands still
    assert imageio.immeta(path)["duration"] == 3 * 1000 / 5  # ms: three frames at render_fps


def test_every_episode_has_its_film_as_soon_as_it_ends(tmp_path: Path) -> None:
    env = RecordChunks(gym.wrappers.TimeLimit(Slide(), 2), tmp_path, name="play")
    film(env, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["play-0000.gif"]
    film(env, 1)
    film(env, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["play-0000.gif", "play-0001.gif"]


def test_trigger_chooses_the_episodes(tmp_path: Path) -> None:
    env = RecordChunks(Slide(), tmp_path, episode_trigger=lambda number: number == 1)
    for _ in range(3):
        film(env, 1)
    env.close()
    assert [path.name for path in tmp_path.iterdir()] == ["episode-0001.gif"]


def test_trigger_is_asked_once_an_episode(tmp_path: Path) -> None:
    answers = iter([True, False])
    env = RecordChunks(Slide(), tmp_path, episode_trigger=lambda number: next(answers))
    film(env, 3)
    film(env, 3)
    env.close()
    assert [path.name for path in tmp_path.iterdir()] == ["episode-0000.gif"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the plugin leaves its pipes open
@pytest.mark.skipif(find_spec("imageio_ffmpeg") is None, reason="ffmpeg is missing")
def test_mp4_has_every_frame_too(tmp_path: Path) -> None:
    env = RecordChunks(Slide(chunk_frames=3), tmp_path, suffix=".mp4")
    film(env, 4)
    env.close()
    assert len(imageio.imread(tmp_path / "episode-0000.mp4", plugin="FFMPEG")) == 5 * 3


def test_mp4_without_ffmpeg_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wm_gym.wrappers.record_chunks.find_spec", lambda name: None)
    with pytest.raises(DependencyNotInstalled, match=r'pip install "imageio\[ffmpeg\]"'):
        RecordChunks(Slide(), tmp_path, suffix=".mp4")


def test_films_of_single_frames_or_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="env must observe uint8 chunks .*wrap it before LastFrame"):
        RecordChunks(LastFrame(Slide()), tmp_path)
    with pytest.raises(ValueError, match=r"suffix must be \.gif or \.mp4, got '\.avi'"):
        RecordChunks(Slide(), tmp_path, suffix=".avi")


class Unsure(Slide):
    """`Slide` that doubts each step by a number of a list."""

    def __init__(self, doubts: list[float]) -> None:
        super().__init__()
        self.doubts = iter(doubts)

    def step(self, action: str) -> Any:
        *rest, info = super().step(action)
        return *rest, info | {"uncertainty": next(self.doubts)}


@pytest.mark.parametrize(
    ("patience", "expected"), [(1, [False, True, False, True]), (2, [False, False, False, False, True])]
)
def test_uncertainty_stops_after_patience(patience: int, expected: list[bool]) -> None:
    env = UncertaintyStop(Unsure([0.1, 0.6, 0.5, 0.7, 0.8]), max_uncertainty=0.5, patience=patience)
    env.reset(seed=0)
    steps = [env.step("wait") for _ in expected]
    assert [truncated for _, _, _, truncated, _ in steps] == expected
    assert [info["uncertainty_stop"] for *_, info in steps] == expected


def test_the_envs_own_stop_is_kept(checkpoint: Path) -> None:
    env = UncertaintyStop(gym.make("wm_gym/World-v0", checkpoint=checkpoint, max_uncertainty=0.0), 0.0, patience=2)
    env.reset(seed=0)
    *_, truncated, info = env.step("wait")
    assert truncated is True
    assert info["uncertainty_stop"] is True


def test_doubt_that_is_no_number_stops() -> None:
    env = UncertaintyStop(Unsure([float("nan")]), max_uncertainty=0.5)
    env.reset(seed=0)
    assert env.step("wait")[3] is True


def test_reset_forgives_uncertainty() -> None:
    env = UncertaintyStop(Unsure([0.6, 0.6]), max_uncertainty=0.5, patience=2)
    for _ in range(2):
        env.reset(seed=0)
        assert env.step("wait")[3] is False


def test_uncertainty_stop_around_a_real_env_is_a_clear_error() -> None:
    env = UncertaintyStop(Slide(), max_uncertainty=0.5)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="env must report its uncertainty in info"):
        env.step("wait")


@pytest.mark.parametrize("arguments", [{"max_uncertainty": float("nan")}, {"max_uncertainty": 1.0, "patience": 0}])
def test_uncertainty_stop_refuses_bad_arguments(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        UncertaintyStop(Slide(), **arguments)


def moved(before: Any, text: Any, after: Any) -> float:
    """Ten for each text that moves the tile, and the length of the text."""
    return 10.0 * bool((before != after).any()) + len(text)


def test_reward_function_sees_frames_and_text() -> None:
    env = RewardFunction(Slide(), moved)
    env.reset(seed=0)
    assert [env.step(text)[1] for text in ("wait", "go left", "", "slide left")] == [4.0, 17.0, 0.0, 20.0]


def test_reward_function_reads_the_text_of_a_number() -> None:
    env = RewardFunction(DiscreteActions(Slide()), moved)
    env.reset(seed=0)
    assert [env.step(number)[1] for number in (3, 0)] == [4.0, 17.0]


RAGGED: list[Any] = [[1.0, [2.0]], [1.0, [2.0, [3.0]]], [np.zeros((2, 1)), np.zeros((2, 2))]]
BAD_REWARDS: list[Any] = [float("nan"), float("inf"), np.zeros(1), [1.0], None, "much", *RAGGED]


@pytest.mark.parametrize("reward", BAD_REWARDS, ids=repr)
def test_reward_that_is_no_number_is_one_clear_error(reward: Any) -> None:
    env = RewardFunction(Slide(), lambda before, text, after: reward)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="the reward function must return one finite number, got"):
        env.step("wait")


def rewarded_worlds(checkpoint: Path, mode: str, function: Any) -> VectorRewardFunction:
    """Two worlds that end after two steps."""
    envs = gym.make_vec(
        "wm_gym/WorldDiscrete-v0", num_envs=2, checkpoint=checkpoint, max_episode_steps=2, autoreset_mode=mode
    )
    return VectorRewardFunction(envs, function)


@pytest.mark.parametrize(("mode", "counts"), [("NextStep", [1, 2, 0, 4, 5, 0]), ("SameStep", [1, 2, 3, 4, 5, 6])])
def test_vector_reward_is_zero_where_a_step_only_resets(checkpoint: Path, mode: str, counts: list[int]) -> None:
    calls = count(1)
    envs = rewarded_worlds(checkpoint, mode, lambda before, texts, after: np.full(2, next(calls)))
    envs.reset(seed=0)
    assert [envs.step([0, 3])[1].tolist() for _ in counts] == [[number, number] for number in counts]


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_vector_reward_sees_the_frames_of_one_episode(checkpoint: Path, mode: str) -> None:
    seen: list[Any] = []

    def watch(*given: Any) -> Any:
        seen.append(given)
        return np.zeros(2)

    envs = rewarded_worlds(checkpoint, mode, watch)
    frames = [envs.reset(seed=0)[0]]
    for _ in range(2):
        observations, *_, infos = envs.step([0, 3])
        frames.append(np.stack(infos["final_obs"]) if "final_obs" in infos else observations)
    for number, (before, texts, after) in enumerate(seen):
        np.testing.assert_array_equal(before, frames[number])
        np.testing.assert_array_equal(after, frames[number + 1])
        assert texts == ["go left", "wait"]


def test_vector_reward_reads_texts_through_other_wrappers(checkpoint: Path) -> None:
    seen: list[Any] = []

    def watch(before: Any, texts: Any, after: Any) -> Any:
        seen.append(texts)
        return np.zeros(2)

    worlds = gym.make_vec("wm_gym/WorldDiscrete-v0", num_envs=2, checkpoint=checkpoint)
    envs = VectorRewardFunction(RecordEpisodeStatistics(worlds), watch)
    envs.reset(seed=0)
    envs.step([0, 3])
    assert seen == [["go left", "wait"]]


BAD_BATCHES: list[Any] = [1.0, np.zeros(3), np.zeros((2, 1)), np.array([0.0, np.nan]), [0.0, None], None, *RAGGED]


@pytest.mark.parametrize("rewards", BAD_BATCHES, ids=repr)
def test_vector_reward_of_another_shape_is_one_clear_error(checkpoint: Path, rewards: Any) -> None:
    envs = rewarded_worlds(checkpoint, "NextStep", lambda before, texts, after: rewards)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="the reward function must return 2 finite numbers, one a world, got"):
        envs.step([0, 3])
