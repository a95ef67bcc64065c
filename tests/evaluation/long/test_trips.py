"""Paths there and back."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.minigrid.view import MiniGridViewTwin
from wm_gym.evaluation.long.revisit import revisit_consistency
from wm_gym.evaluation.long.trips import Trip, collect_trips, draw_path, inverses, longest_unseen
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


@pytest.mark.parametrize("world", ["minigrid", "minigrid_view"])
def test_minigrid_walks_back_by_turning_round(world: str) -> None:
    undo = inverses(world, ("turn left", "turn right", "move forward", "wait"))
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


def test_traveller_stays_at_the_far_end_for_as_long_as_asked() -> None:
    undo = inverses("anywhere", NAMES)
    for seed in range(5):
        names, turn = draw_path(undo, "wait", num_steps=24, pause=0, rng=np.random.default_rng(seed), stay=10)
        assert len(names) == 24 and set(names[turn - 10 : turn]) == {"wait"} and set(names[:turn]) != {"wait"}


def test_longest_unseen_counts_steps_on_end() -> None:
    sights = [np.array([row]) for row in ([1, 2, -1], [3, 1, -1], [4, 3, -1], [4, 4, 2], [9, 9, -1], [1, 2, -1])]
    assert longest_unseen(sights).tolist() == [[3, 2, 0]]


class WatchedTwin(MiniGridViewTwin):
    """The twin, with what was in sight after each step."""

    def __init__(self) -> None:
        super().__init__(split="test")
        self.sights: list[np.ndarray] = []

    def step(self, action: Any) -> Any:
        answer = super().step(action)
        self.sights.append(self.places_in_sight())
        return answer


@pytest.mark.parametrize(("num_steps", "least"), [(24, 12), (48, 20), (96, 20)])
def test_trips_out_of_sight_come_home_and_ask_for_what_was_hidden(num_steps: int, least: int) -> None:
    twin, sights = WatchedTwin(), []
    trips = collect_trips(
        twin,
        "policies.minigrid.view:mixed",
        "minigrid_view",
        num_trips=3,
        num_steps=num_steps,
        seed=0,
        clip_frames=2,
        on_trip=lambda: sights.append(twin.sights[-num_steps - 1 :]),
    )
    assert len(trips) == 3
    for trip, seen in zip(trips, sights, strict=True):
        np.testing.assert_array_equal(trip.back, trip.clip[-1])
        assert trip.hidden is not None and trip.hidden.sum() >= 8 and len(trip.actions) == num_steps
        for place in seen[0][trip.hidden]:
            in_sight = "".join("1" if place in sight else "0" for sight in seen)
            assert place >= 0 and "0" * least in in_sight
        names = {"place": trip.clip[-1], "away": trip.away, "back": trip.back, "hidden": trip.hidden}
        assert revisit_consistency(trip.away, trip.back, **names).score == 1.0
        assert revisit_consistency(trip.away, trip.away, **names).score == 0.0


def test_trips_are_made_of_the_actions_asked_for(twin_env: Env) -> None:
    def collect(env: Env, policy: str, world: str, actions: tuple[str, ...]) -> list[Trip]:
        return collect_trips(env, policy, world, num_trips=2, num_steps=48, seed=0, clip_frames=1, actions=actions)

    turns = ("turn left", "turn right")
    trips = collect(WatchedTwin(), "policies.minigrid.view:mixed", "minigrid_view", turns)
    assert len(trips) == 2 and {action for trip in trips for action in trip.actions} == {*turns, "wait"}
    with pytest.raises(ValueError, match=r"trip_actions must be .* undone, got \['toggle'\]; choose of .*'turn left'"):
        collect(twin_env, "policies.minigrid:explorer", "minigrid", ("toggle",))


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
