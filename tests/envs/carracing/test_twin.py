"""The CarRacing twin: Gymnasium's rules, actions that do what they say, exact replays and clear errors."""

import copy
import json
import math
import pickle
import subprocess
import sys
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.carracing.actions import ACTIONS, CONTROLS
from envs.carracing.twin import TRACK_SEEDS, CarRacing, CarRacingTwin

ROLLING = ["accelerate"] * 8 + ["wait"] * 2


def begin(seed: int, **arguments: Any) -> CarRacingTwin:
    twin = CarRacingTwin(**arguments)
    twin.reset(seed=seed)
    return twin


def draw_actions(seed: int, count: int) -> list[Any]:
    """Texts and numbers in turn."""
    rng = np.random.default_rng(seed)
    names = [ACTIONS.names[i] for i in rng.integers(len(ACTIONS.names), size=count)]
    numbers = rng.uniform(ACTIONS.control_low, ACTIONS.control_high, (count, 3)).astype(np.float32)
    return [names[i] if i % 4 < 2 else numbers[i] for i in range(count)]


def live(twin: CarRacingTwin, actions: list[Any]) -> list[Any]:
    """What the steps give, comparable."""
    return [(frame.tobytes(), *rest) for frame, *rest in map(twin.step, actions)]


@pytest.mark.parametrize("id", ["CarRacing", "CarRacingDiscrete", "CarRacingBox"])
def test_check_env_passes(id: str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*symmetric and normalized")  # gas and brake have no negative
        check_env(gym.make(f"envs:real/{id}-v0", render_mode="rgb_array").unwrapped)


def test_text_observation_is_a_chunk_of_one_frame() -> None:
    assert CarRacingTwin().reset(seed=0)[0].shape == (1, 64, 64, 3)


def test_episode_is_truncated_after_250_steps() -> None:
    assert gym.spec("real/CarRacing-v0").max_episode_steps == 250


def test_texts_numbered_actions_and_numbers_drive_alike() -> None:
    text, discrete, box = (begin(3, actions=kind) for kind in ("text", "discrete", "box"))
    for index, name in enumerate(ACTIONS.names):
        observation, *expected = text.step(name)
        for twin, action in ((discrete, index), (box, np.array(CONTROLS[name], np.float32))):
            frame, *rest = twin.step(action)
            np.testing.assert_array_equal(frame, observation[-1])
            assert rest == expected


def test_same_seed_and_actions_give_the_same_episode_after_other_episodes() -> None:
    twin, actions = begin(5), draw_actions(5, 60)
    first = live(twin, actions)
    twin.reset(seed=6)
    live(twin, draw_actions(6, 20))
    twin.reset(seed=5)
    assert live(twin, actions) == first == live(begin(5), actions)


def test_splits_share_no_track() -> None:
    (train, test), tracks = TRACK_SEEDS.values(), {}
    for split in TRACK_SEEDS:
        twin = CarRacingTwin(split=split)
        twin.reset(seed=0)
        tracks[split] = [int(twin.reset()[1]["track"]) for _ in range(20)]
    assert train[1] <= test[0]
    assert all(number in range(*TRACK_SEEDS[split]) for split, numbers in tracks.items() for number in numbers)


def test_camera_is_in_its_place_from_the_first_frame_on() -> None:
    twin = begin(0)
    first, later = twin.simulator.frame(), twin.step("wait")[0][0]
    moved = np.abs(first[:56].astype(int) - later[:56]).mean()
    assert moved < 3  # the car stands still


def roll(name: str, steps: int, seed: int = 3) -> CarRacing:
    """A rolling car after a few steps of an action."""
    twin = begin(seed)
    for text in [*ROLLING, *[name] * steps]:
        twin.step(text)
    return twin.simulator


@pytest.mark.parametrize("gas", ["steer", "accelerate"])
@pytest.mark.parametrize("way, sign", [("counterclockwise", 1), ("clockwise", -1)])
def test_turns_go_the_way_they_say(gas: str, way: str, sign: int) -> None:
    before, after = roll("wait", 0), roll(f"{gas} {way}", 3)
    assert sign * after.race.steering == pytest.approx(0.3, abs=0.02)
    assert sign * (after.race.pose[2] - before.race.pose[2]) > math.radians(10)


def test_accelerating_is_faster_than_coasting() -> None:
    coasting = roll("wait", 4).race.speed
    assert roll("accelerate", 4).race.speed > coasting + 4
    assert roll("accelerate clockwise", 4).race.speed > roll("steer clockwise", 4).race.speed + 2
    assert roll("accelerate counterclockwise", 4).race.speed > roll("steer counterclockwise", 4).race.speed + 2


def test_brake_stops_the_car() -> None:
    assert roll("wait", 0).race.speed > 20
    assert roll("brake", 10).race.speed < 0.5


def test_waiting_coasts_straight_on() -> None:
    before, after = roll("wait", 0), roll("wait", 4)
    assert after.race.speed == pytest.approx(before.race.speed, rel=0.05)
    assert after.race.steering == pytest.approx(0, abs=0.01)


def test_numbers_steer_by_degrees() -> None:
    angles = []
    for steering in (-1.0, -0.2, 0.1):
        twin = begin(0)
        for _ in range(4):
            twin.step(np.array([steering, 0, 0], np.float32))
        angles.append(twin.simulator.race.steering)
    assert angles == pytest.approx([0.4, 0.2, -0.1], abs=0.04)  # the stop at 0.4 gives way a little


def test_reward_is_that_of_four_ticks() -> None:
    twin, control = begin(2), begin(2).simulator
    controls = np.array(CONTROLS["accelerate"])
    for _ in range(10):
        expected = sum(float(control.race.step(controls)[1]) for _ in range(4))
        assert twin.step("accelerate")[1] == pytest.approx(expected)


def test_leaving_the_field_terminates_at_a_price() -> None:
    twin = begin(1)
    for _ in range(250):
        _, reward, terminated, *_ = twin.step("accelerate")
        if terminated:
            break
    assert terminated and -101 <= reward <= -99
    with pytest.raises(gym.error.ResetNeeded, match=r"after the episode terminated; call reset\(\) first"):
        twin.step("wait")


def test_panel_reads_as_the_state_on_every_frame() -> None:
    twin = begin(9)
    for action in [*ROLLING, *draw_actions(9, 100)]:
        observation = twin.step(action)[0]
        assert twin.read_state(observation[0]) == twin.state()


def test_state_is_plain_json() -> None:
    state = begin(0).state()
    assert json.loads(json.dumps(state)) == state


def test_is_valid_wants_whole_bars() -> None:
    twin = begin(0)
    state = twin.state()
    assert twin.is_valid(state, state) and not twin.is_valid(state, state | {"speed": None})


def test_restored_state_replays_the_same_steps() -> None:
    twin = begin(7)
    live(twin, draw_actions(7, 40))
    saved = twin.clone_state(include_rng=True)
    first = live(twin, draw_actions(8, 30))
    twin.restore_state(saved)
    second = live(twin, draw_actions(8, 30))
    other = begin(0)
    other.restore_state(saved)
    assert first == second == live(other, draw_actions(8, 30))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda twin: pickle.loads(pickle.dumps(twin))])
@pytest.mark.parametrize("steps", [0, 20])
def test_copies_go_on_alike(again: Any, steps: int) -> None:
    twin = begin(4)
    live(twin, draw_actions(1, steps))
    assert live(again(twin), draw_actions(2, 10)) == live(twin, draw_actions(2, 10))


def test_pickle_before_the_first_reset_makes_the_env_again() -> None:
    again = pickle.loads(pickle.dumps(CarRacingTwin()))
    np.testing.assert_array_equal(again.reset(seed=1)[0], CarRacingTwin().reset(seed=1)[0])


BAD_NUMBERS = [np.array(numbers, np.float32) for numbers in ([0, 0], [1.1, 0, 0], [0, -0.1, 0], [0, 0, np.nan])]


@pytest.mark.parametrize("action", [7, None, "turn\x00left", *BAD_NUMBERS])
def test_bad_action_is_a_clear_error_and_leaves_the_env_usable(action: Any) -> None:
    twin = begin(0)
    with pytest.raises(ValueError, match=r"(?s)action must .*, got .*; "):
        twin.step(action)
    assert twin.simulator.num_steps == 0 and not twin.step("wait")[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def test_missing_box2d_says_what_to_install() -> None:
    code = "import sys; sys.modules['Box2D'] = None; import gymnasium; gymnasium.make('envs:real/CarRacing-v0')"
    assert 'run `pip install "wm-gym[carracing]"`' in run("-c", code).stderr


def test_import_survives_warnings_as_errors() -> None:
    assert run("-W", "error", "-c", "import envs.carracing.twin").returncode == 0
