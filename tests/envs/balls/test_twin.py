"""The Balls twin: Gymnasium's rules, actions that push, exact replays, and a reader that is right."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.balls.actions import ACTIONS
from envs.balls.twin import BallsTwin


def begin(seed: int, **arguments: Any) -> BallsTwin:
    twin = BallsTwin(**arguments)
    twin.reset(seed=seed)
    return twin


@pytest.mark.parametrize("id", ["real/Balls-v0", "real/BallsDiscrete-v0"])
def test_check_env_passes_without_warnings(id: str) -> None:
    env = gym.make(f"envs.balls:{id}", render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("law", ["uniform", "parabola", "collision"])
def test_reader_is_right_within_a_tenth_of_a_pixel(law: str) -> None:
    twin = begin(0, law=law)
    for _ in range(10):
        observation, reward, terminated, _, info = twin.step("wait")
        read, true = twin.read_state(observation[-1]), twin.state()
        assert twin.match_state(read, true) == {"first": True, "second": True}
        for name, place in true.items():
            assert (read[name] is None) == (place is None)
            assert place is None or np.hypot(*np.subtract(read[name], place)) < 0.1
        assert (reward, terminated, info) == (0.0, False, {"law": law})


def test_noise_shows_no_ball() -> None:
    twin = begin(0, law="uniform")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    read = twin.read_state(noise)
    assert read == {"first": None, "second": None}
    assert not twin.is_valid(twin.state(), read) and twin.is_valid(twin.state(), twin.state())


def test_push_changes_the_velocity_of_the_red_ball() -> None:
    twin = begin(3, law="uniform")
    before = twin.simulator.balls[0].velocity
    twin.step("kick the ball right")
    assert np.subtract(twin.simulator.balls[0].velocity, before) == pytest.approx([1.0, 0.0])


def test_restored_world_goes_on_the_same_way() -> None:
    twin = begin(5)
    saved = twin.clone_state()
    first = [twin.step("push up")[0].tobytes() for _ in range(5)]
    twin.restore_state(saved)
    assert [twin.step("push up")[0].tobytes() for _ in range(5)] == first


def test_unknown_law_or_range_is_refused() -> None:
    with pytest.raises(ValueError, match="law must be one of None, 'uniform', 'parabola', 'collision', got 'magic'"):
        BallsTwin(law="magic")
    with pytest.raises(ValueError, match="speeds must be one of 'trained', 'slower', 'faster', got 'light'"):
        BallsTwin(speeds="light")


def test_phrasings_are_enough_and_none_is_both_said_and_kept_back() -> None:
    assert min(map(len, ACTIONS.phrases.values())) >= 30
    assert min(map(len, ACTIONS.unseen_phrases.values())) >= 5
    said = {text for texts in ACTIONS.phrases.values() for text in texts}
    assert not said & {text for texts in ACTIONS.unseen_phrases.values() for text in texts}
    assert len(said) == sum(map(len, ACTIONS.phrases.values()))
