"""The twin of Pong: disjoint starts, a game that serves by itself, true states, and a console that can be saved."""

import json
import pickle
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.pong.actions import ACTIONS
from envs.pong.frames import BALL_HEIGHT, CELL
from envs.pong.twin import Pong, PongTwin
from policies.pong import mixed

TEXT, DISCRETE = "envs:real/Pong-v0", "envs:real/PongDiscrete-v0"


@pytest.fixture
def pong() -> Pong:
    pong = Pong()
    pong.reset(np.random.default_rng(0), "train")
    return pong


def play(split: str, seed: int, steps: int) -> Iterator[tuple[PongTwin, Any, float]]:
    """The twin, the frame and the reward after each step of mixed play."""
    twin = PongTwin(split=split)
    observation, _ = twin.reset(seed=seed)
    policy = mixed(twin, np.random.default_rng(seed))
    for _ in range(steps):
        observation, reward, *_ = twin.step(policy(observation))
        yield twin, observation[-1], reward


@pytest.mark.parametrize("id", [TEXT, DISCRETE])
def test_check_env_passes_without_warnings(id: str) -> None:
    check_env(gym.make(id, render_mode="rgb_array").unwrapped)


def test_same_seed_gives_the_same_episode_whatever_was_played_before() -> None:
    fresh = [(frame.tobytes(), reward) for _, frame, reward in play("train", 3, 60)]
    twin = PongTwin()
    twin.reset(seed=9)
    for _ in range(40):
        twin.step("move down")
    policy = mixed(twin, np.random.default_rng(3))
    observation, _ = twin.reset(seed=3)
    for expected in fresh:
        observation, reward, *_ = twin.step(policy(observation))
        assert (observation[-1].tobytes(), reward) == expected


def test_splits_share_no_start() -> None:
    starts: dict[str, set[bytes]] = {"train": set(), "test": set()}
    for split, frames in starts.items():
        pong, rng = Pong(), np.random.default_rng(0)
        for _ in range(10):
            pong.reset(rng, split)
            frames.add(pong.frame().tobytes())
    assert min(map(len, starts.values())) > 8 and not starts["train"] & starts["test"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_read_state_equals_the_true_state_over_250_steps_of_mixed_play(split: str) -> None:
    for twin, frame, _ in play(split, 1, 250):
        assert twin.read_state(frame) == twin.state()


def test_true_ball_is_where_ram_has_it() -> None:
    for twin, _, _ in play("train", 2, 200):
        x, y = twin.simulator.ball_native
        ball = twin.state()["ball"]
        if ball is not None and 0 <= y <= 155:  # no wall cuts it
            assert ball[0] == round((x + 1) / CELL, 1)
            assert ball[1] == pytest.approx((y + BALL_HEIGHT / 2) / CELL, abs=(1 + 0.25) / CELL)


def test_ball_is_in_sight_in_95_of_100_steps() -> None:
    balls = [twin.state()["ball"] is not None for seed in range(3) for twin, _, _ in play("train", seed, 60)]
    assert np.mean(balls) > 0.95


def test_ball_moves_less_than_5_pixels_a_step_while_it_is_in_play() -> None:
    before = None
    for twin, _, _ in play("train", 4, 200):
        ball = twin.state()["ball"] if twin.simulator.ball_in_play else None
        if ball is not None and before is not None:
            assert abs(ball[0] - before[0]) < 2 and abs(ball[1] - before[1]) < 5
        before = ball


@pytest.mark.parametrize(("name", "sign"), [("move up", -1), ("move down", 1), ("wait", 0)])
def test_action_moves_the_paddle_as_it_says(pong: Pong, name: str, sign: int) -> None:
    for away in {"move up": ["move down"], "move down": ["move up"], "wait": ["wait"]}[name] * 4:
        pong.step(ACTIONS.index(away))
    for _ in range(4):
        pong.step(ACTIONS.index("wait"))
    before = pong.player_top
    pong.step(ACTIONS.index(name))
    pong.step(ACTIONS.index(name))
    assert np.sign(pong.player_top - before) == sign and abs(pong.player_top - before) >= 20 * abs(sign)


def lose_a_point(pong: Pong) -> None:
    while pong.step(ACTIONS.index("wait"))[0] == 0:
        pass


def test_missed_ball_costs_a_point_and_the_score_says_so(pong: Pong) -> None:
    own, other = pong.score
    while (reward := pong.step(ACTIONS.index("move down"))[0]) == 0:
        pass
    assert reward == -1 and pong.score == (own, other + 1)


def test_game_serves_by_itself_in_the_step_after_a_point(pong: Pong) -> None:
    lose_a_point(pong)
    assert not pong.ball_in_play
    pong.step(ACTIONS.index("wait"))
    x, y = pong.state()["ball"]
    assert abs(x - 32) < 4 and abs(y - 32) < 4


def test_game_ends_at_21_points(pong: Pong) -> None:
    terminated = False
    while not terminated:
        _, terminated = pong.step(ACTIONS.index("wait"))
    assert max(pong.score) == 21
    pong.reset(np.random.default_rng(1), "train")
    assert max(pong.score) < 21 and not pong.step(0)[1]


def test_restored_state_replays_the_same_frames_over_a_point() -> None:
    pong = Pong()
    pong.reset(np.random.default_rng(5), "test")
    saved = pong.clone()
    runs = []
    for _ in range(2):
        pong.restore(saved)
        runs.append([(pong.frame().tobytes(), pong.step(step // 5 % 3)) for step in range(120)])
    assert runs[0] == runs[1] and any(reward for _, (reward, _) in runs[0])


def test_pickled_env_goes_on_alike() -> None:
    twin = PongTwin()
    twin.reset(seed=2)
    twin_copy = pickle.loads(pickle.dumps(twin))
    for text in ["move up"] * 20:
        np.testing.assert_array_equal(twin.step(text)[0], twin_copy.step(text)[0])


def test_state_is_plain_json(pong: Pong) -> None:
    assert json.loads(json.dumps(pong.state())) == pong.state()


def test_is_valid_wants_one_ball_at_most_and_the_players_paddle(pong: Pong) -> None:
    state = pong.state()
    changes: list[dict[str, Any]] = [{}, {"ball": None, "num_balls": 0}, {"num_balls": 2}, {"player": None}]
    assert [pong.is_valid(state, state | change) for change in changes] == [True, True, False, False]


def test_bad_action_leaves_the_env_usable() -> None:
    twin = PongTwin()
    twin.reset(seed=0)
    before = twin.state()
    with pytest.raises(ValueError, match="action must be a string, got 3"):
        twin.step(3)
    with pytest.raises(ValueError, match="this world takes no numbers"):
        twin.step(np.zeros(2, np.float32))
    assert twin.state() == before and not twin.step("wait")[2]
