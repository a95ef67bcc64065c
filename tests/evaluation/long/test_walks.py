"""Long real walks."""

import numpy as np

from wm_gym.evaluation.long.walks import WINDOW_FRAMES, LongWalk, collect_walk
from wm_gym.evaluation.rollouts import Lead
from wm_gym.evaluation.twin import Env, real_twin

RANDOM = "policies.minigrid:random_policy"


def test_window_ends_at_its_step_and_shows_its_state(twin_env: Env, walks: list[LongWalk]) -> None:
    for walk in walks:
        assert {step: len(window) for step, window in walk.windows.items()} == {4: 4, 8: WINDOW_FRAMES}
        assert real_twin(twin_env).read_state(walk.windows[8][-1]) == walk.states[8]
        assert real_twin(twin_env).read_state(walk.clip[-1]) == walk.start.state
        assert len(walk.actions) == len(walk.rewards) == len(walk.ended) == 8


def test_other_walk_has_the_layout_and_other_actions(walks: list[LongWalk], others: list[LongWalk]) -> None:
    for walk, other in zip(walks, others, strict=True):
        np.testing.assert_array_equal(walk.clip[0], other.clip[0])
    assert [walk.actions for walk in walks] != [other.actions for other in others]


def test_same_seed_same_walk(twin_env: Env, walks: list[LongWalk]) -> None:
    again = collect_walk(twin_env, "policies.minigrid:explorer", seed=0, keep=(4, 8), lead=Lead())
    assert again.actions == walks[0].actions
    np.testing.assert_array_equal(again.windows[8], walks[0].windows[8])


def test_next_episode_follows_one_that_ends(twin_env: Env) -> None:
    walk = collect_walk(twin_env, "policies.minigrid:expert", seed=3, keep=(120,), lead=Lead())
    ends = np.flatnonzero(walk.ended)
    assert len(ends) >= 1 and walk.rewards[ends].tolist() == [1.0] * len(ends)
    assert len(walk.windows[120]) <= WINDOW_FRAMES


def test_window_comes_with_the_beginning_of_its_own_episode(twin_env: Env) -> None:
    walk = collect_walk(twin_env, "policies.minigrid:expert", seed=3, keep=(1, 120), lead=Lead())
    assert walk.ended[:119].any() and walk.start.state is not None
    assert walk.beginnings[1] is walk.start
    later = walk.beginnings[120]
    assert later.state == real_twin(twin_env).read_state(later.frame)
    assert later.state is not None and later.state["walls"] == walk.states[120]["walls"]
    assert (later.frame != walk.start.frame).any()
