"""Paths there and back."""

import gymnasium as gym
import numpy as np
import pytest

from wm_gym.evaluation.long.trips import collect_trips, draw_path, inverses
from wm_gym.evaluation.twin import Env, make_twin

NAMES = ("turn left", "turn right", "move forward", "move back", "wait")


def test_opposites_are_read_off_names() -> None:
    assert inverses("anywhere", NAMES) == {
        "turn left": ("turn right",),
        "turn right": ("turn left",),
        "move forward": ("move back",),
        "move back": ("move forward",),
    }
    assert inverses("pong", ("move up", "move down", "wait")) == {
        "move up": ("move down",),
        "move down": ("move up",),
    }
    assert inverses("anywhere", ("jump", "wait")) == {}


def test_minigrid_walks_back_by_turning_round() -> None:
    undo = inverses("minigrid", ("turn left", "turn right", "move forward", "wait"))
    assert undo["move forward"] == ("turn left", "turn left", "move forward", "turn left", "turn left")


@pytest.mark.parametrize(("num_steps", "pause"), [(12, 0), (48, 0), (48, 2)])
def test_way_back_undoes_the_way_there(num_steps: int, pause: int) -> None:
    undo = inverses("anywhere", NAMES)
    for seed in range(5):
        names, turn = draw_path(undo, "wait", num_steps=num_steps, pause=pause, rng=np.random.default_rng(seed))
        assert len(names) == num_steps
        there = [name for name in names[:turn] if name != "wait"]
        back = [name for name in names[turn:] if name != "wait"]
        assert there and back == [undo[name][0] for name in reversed(there)]


def test_every_trip_comes_back_to_the_very_frame(twin_env: Env) -> None:
    policy = "policies.minigrid:explorer"
    trips = collect_trips(twin_env, policy, "minigrid", num_trips=3, num_steps=12, seed=1, clip_frames=1)
    assert len(trips) == 3
    for trip in trips:
        np.testing.assert_array_equal(trip.back, trip.clip[-1])
        assert (trip.away != trip.back).any() and len(trip.actions) == 12


def test_first_person_world_can_be_revisited() -> None:
    try:
        env = make_twin("envs:real/DoomMyWayHome-v0", split="test")
    except gym.error.DependencyNotInstalled:
        pytest.skip("needs vizdoom")
    policy = "policies.doom:my_way_home_explorer"
    trips = collect_trips(env, policy, "doom_my_way_home", num_trips=1, num_steps=20, seed=0, clip_frames=2)
    env.close()
    assert len(trips) == 1
    assert np.abs(trips[0].away.astype(float) - trips[0].back).mean() > 5
