"""The PushT twin: Gymnasium's rules, actions that do what they say, exact replays and clear errors."""

import json
import math
import pickle
import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.pusht.actions import ACTIONS, NUMBERS, REACH
from envs.pusht.physics import WorldPoses
from envs.pusht.shapes import GOAL, Pose, coverage
from envs.pusht.twin import SUCCESS_COVERAGE, PushTTwin, angle_split

ALONE = WorldPoses(agent=(120.0, 120.0), block=Pose(centre=(360.0, 360.0), angle=1.0))  # far from everything


def begin(seed: int, **arguments: Any) -> PushTTwin:
    twin = PushTTwin(**arguments)
    twin.reset(seed=seed)
    return twin


def draw_actions(seed: int, count: int) -> list[Any]:
    """Texts and numbers in turn."""
    rng = np.random.default_rng(seed)
    names = [ACTIONS.names[i] for i in rng.integers(len(ACTIONS.names), size=count)]
    numbers = rng.uniform(-1.0, 1.0, (count, 2)).astype(np.float32)
    return [names[i] if i % 4 < 2 else numbers[i] for i in range(count)]


def live(twin: PushTTwin, actions: list[Any]) -> list[Any]:
    """What the steps give, comparable."""
    return [(frame.tobytes(), *rest) for frame, *rest in map(twin.step, actions)]


@pytest.mark.parametrize("id", ["PushT", "PushTDiscrete", "PushTBox"])
def test_check_env_passes_without_warnings(id: str) -> None:
    check_env(gym.make(f"envs:real/{id}-v0", render_mode="rgb_array").unwrapped)


def test_text_observation_is_a_chunk_of_one_frame() -> None:
    assert PushTTwin().reset(seed=0)[0].shape == (1, 64, 64, 3)


def test_episode_is_truncated_after_300_steps() -> None:
    assert gym.spec("real/PushT-v0").max_episode_steps == 300


@pytest.mark.parametrize("name", ACTIONS.names)
def test_action_moves_the_pusher_by_its_numbers(name: str) -> None:
    twin = begin(0)
    twin.simulator.poses = ALONE
    twin.step(name)
    moved = np.subtract(twin.simulator.poses.agent, ALONE.agent)
    np.testing.assert_allclose(moved, REACH * np.array(NUMBERS[name]), atol=0.3)
    assert twin.simulator.poses.block == ALONE.block


def test_texts_integers_and_numbers_push_alike() -> None:
    text, discrete, box = (begin(3, actions=kind) for kind in ("text", "discrete", "box"))
    for index, (name, numbers) in enumerate(NUMBERS.items()):
        observation, *expected = text.step(name)
        for twin, action in ((discrete, index), (box, np.array(numbers, np.float32))):
            frame, *rest = twin.step(action)
            np.testing.assert_array_equal(frame, observation[-1])
            assert rest == expected


def test_text_twin_takes_numbers_too() -> None:
    first, second = begin(3), begin(3, actions="box")
    numbers = np.array([0.3, -0.7], np.float32)
    np.testing.assert_array_equal(first.step(numbers)[0][-1], second.step(numbers)[0])


def test_reward_is_the_coverage_over_the_threshold() -> None:
    twin = begin(0)
    block = Pose(centre=(266.0, 256.0), angle=GOAL.angle)
    twin.simulator.poses = WorldPoses(agent=(60.0, 60.0), block=block)
    _, reward, terminated, *_ = twin.step("wait")
    assert reward == pytest.approx(coverage(block) / SUCCESS_COVERAGE) and 0.7 < reward < 0.95 and not terminated


def test_block_on_the_goal_gives_one_and_terminates() -> None:
    twin = begin(0)
    twin.simulator.poses = WorldPoses(agent=(60.0, 60.0), block=Pose(centre=(257.0, 256.0), angle=GOAL.angle))
    assert twin.step("wait")[1:4] == (1.0, True, False)
    with pytest.raises(gym.error.ResetNeeded, match="after the episode terminated"):
        twin.step("wait")


def test_same_seed_and_actions_give_the_same_episode() -> None:
    actions = draw_actions(5, 60)
    assert live(begin(5), actions) == live(begin(5), actions)


def test_restored_state_replays_exactly_in_another_twin() -> None:
    first, second = begin(7), begin(8)
    live(first, draw_actions(7, 20))
    second.restore_state(first.clone_state())
    actions = draw_actions(8, 60)
    assert live(first, actions) == live(second, actions)
    assert first.simulator.poses == second.simulator.poses


def test_pickled_twin_goes_on_alike() -> None:
    twin = begin(2)
    copy = pickle.loads(pickle.dumps(twin))
    assert live(twin, ["push up"] * 5) == live(copy, ["push up"] * 5)


def test_starts_of_the_splits_never_share_a_block_angle() -> None:
    splits = {"train": 0.8, "test": 0.2}
    for split in splits:
        twin = PushTTwin(split=split)
        angles = []
        for seed in range(100):
            twin.reset(seed=seed)
            angles.append(math.radians(twin.state()["angle"]))
        assert {angle_split(angle) for angle in angles} == {split}
    shares = [np.mean([angle_split(a) == split for a in np.arange(0, 6.28, 0.01)]) for split in splits]
    np.testing.assert_allclose(shares, list(splits.values()), atol=0.02)


def test_starts_are_unsolved_and_apart() -> None:
    twin = PushTTwin()
    for seed in range(60):
        twin.reset(seed=seed)
        before = twin.simulator.poses
        _, reward, terminated, *_ = twin.step("wait")
        assert not terminated and reward < 0.85 and twin.simulator.poses == before


def test_state_is_plain_json_and_valid() -> None:
    twin = begin(0)
    twin.step("push left")
    state = twin.state()
    assert json.loads(json.dumps(state)) == state and twin.is_valid(state, state)


def test_is_valid_wants_a_pusher_a_block_and_the_background() -> None:
    twin = begin(0)
    state = twin.state()
    for change in ({"agent": None}, {"block": None, "angle": None}, {"background": False}):
        assert not twin.is_valid(state, state | change)


@pytest.mark.parametrize("action", [3, None, np.array([2.0, 0.0], np.float32), np.zeros(3, np.float32)])
def test_bad_action_is_refused_and_leaves_the_twin_usable(action: Any) -> None:
    twin = begin(0)
    before = twin.state()
    with pytest.raises(ValueError, match="action must be "):
        twin.step(action)
    assert twin.state() == before and not twin.step("wait")[2]


def test_missing_pymunk_says_what_to_install() -> None:
    code = "import sys; sys.modules['pymunk'] = None; import gymnasium; gymnasium.make('envs:real/PushT-v0')"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'run `pip install "wm-gym[pusht]"`' in outcome.stderr
