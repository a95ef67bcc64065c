"""Real rollouts."""

import numpy as np
import pytest

from tests.worlds import Slide
from wm_gym.evaluation.rollouts import (
    Lead,
    RealRollout,
    Walk,
    collect_long_rollout,
    collect_rollout,
    load_policy,
    rollout_seed,
)
from wm_gym.evaluation.twin import Env

EXPLORER = "policies.minigrid:explorer"


def test_rollout_has_one_more_observation_than_actions(explored: list[RealRollout]) -> None:
    assert len(explored[0].observations) == len(explored[0].states) == explored[0].num_steps + 1 == 17


def test_rollout_stops_at_its_end(solved: RealRollout) -> None:
    assert solved.terminated.tolist() == [False] * (solved.num_steps - 1) + [True]


def test_reaching_the_goal_is_the_only_reward(solved: RealRollout) -> None:
    assert solved.rewards.tolist() == [0.0] * (solved.num_steps - 1) + [1.0]


def test_same_seed_gives_same_rollout(twin_env: Env, explored: list[RealRollout]) -> None:
    again = collect_rollout(twin_env, EXPLORER, seed=3, horizon=16)
    assert again.actions == explored[3].actions
    np.testing.assert_array_equal(again.observations, explored[3].observations)


def test_nearby_seeds_share_no_rollout() -> None:
    first, second = ({rollout_seed(seed, index) for index in range(100)} for seed in (0, 1))
    assert len(first) == len(second) == 100 and not first & second


def test_streams_share_no_rollout() -> None:
    first, second = ({rollout_seed(0, index, stream=stream) for index in range(100)} for stream in (0, 1))
    assert not first & second


def test_long_rollout_keeps_the_states_of_a_short_one(twin_env: Env, explored: list[RealRollout]) -> None:
    long = collect_long_rollout(twin_env, EXPLORER, seed=3, num_steps=30, keep=(5, 16))
    assert long.actions[:16] == explored[3].actions
    assert long.states == {5: explored[3].states[5], 16: explored[3].states[16]}


def test_long_rollout_outlives_the_time_limit(twin_env: Env) -> None:
    long = collect_long_rollout(twin_env, EXPLORER, seed=0, num_steps=300, keep=(300,))
    assert len(long.actions) == 300


def test_long_rollout_refuses_a_policy_that_ends_it(twin_env: Env, solved: RealRollout) -> None:
    with pytest.raises(ValueError, match=f"must not end the episode.* at step {solved.num_steps} of seed"):
        collect_long_rollout(twin_env, solved.policy, seed=solved.seed, num_steps=100, keep=(100,))


def test_rollout_begins_after_its_lead(twin_env: Env, explored: list[RealRollout]) -> None:
    led = collect_rollout(twin_env, EXPLORER, seed=3, horizon=4, lead=Lead(steps=(6, 6), clip_frames=3))
    assert led.actions == explored[3].actions[6:10]
    np.testing.assert_array_equal(led.clip, explored[3].observations[4:7, 0])
    np.testing.assert_array_equal(led.observations[0], explored[3].observations[6])


def test_clip_of_a_new_episode_is_its_first_observation(explored: list[RealRollout]) -> None:
    np.testing.assert_array_equal(explored[0].clip, explored[0].observations[0])


def test_lead_that_ends_an_episode_goes_on_in_the_next(twin_env: Env, solved: RealRollout) -> None:
    least = solved.num_steps + 1  # the expert is there before
    walk = Walk(twin_env, solved.policy, seed=solved.seed, clip_frames=8)
    walk.advance(solved.num_steps)
    assert (walk.age, len(walk.clip)) == (0, 1)
    led = collect_rollout(twin_env, EXPLORER, seed=solved.seed, horizon=1, lead=Lead(steps=(least, least)))
    assert led.num_steps == 1


def test_states_are_left_out_where_the_twin_has_none() -> None:
    rollout = collect_rollout(Slide(), "wm_gym.data.recording:random_policy", seed=0, horizon=2)
    assert (rollout.states, rollout.num_steps) == ((), 2)


@pytest.mark.parametrize("name", ["policies.minigrid", ":explorer", "policies.minigrid:"])
def test_policy_name_needs_module_and_factory(name: str) -> None:
    with pytest.raises(ValueError, match='policy must be written "module:factory"'):
        load_policy(name)


@pytest.mark.parametrize("name", ["policies.nowhere:explorer", "policies.minigrid:nobody"])
def test_missing_policy_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"policy must name a factory that can be imported, got '{name}'"):
        load_policy(name)
