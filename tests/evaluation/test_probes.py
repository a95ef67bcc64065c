"""Probes of the real twin."""

import gymnasium as gym
import numpy as np
import pytest

from wm_gym.evaluation.probes import (
    CLIP_FRAMES,
    MIN_CHANGE,
    Probes,
    Vocabulary,
    change,
    collect_probes,
)
from wm_gym.evaluation.twin import Env, real_twin

MIXED = "policies.minigrid:mixed"


def test_vocabulary_is_the_simulators(twin_env: Env) -> None:
    vocabulary = Vocabulary.of(twin_env)
    assert (vocabulary.world, vocabulary.idle, vocabulary.num_steps) == ("minigrid", "wait", 1)
    assert vocabulary.names == ("turn left", "turn right", "move forward", "pick up", "drop", "toggle", "wait")


def test_env_without_visible_actions_cannot_be_probed() -> None:
    with pytest.raises(ValueError, match="twin must say its visible_actions, probe_steps and idle action"):
        collect_probes(gym.make("CartPole-v1"), MIXED, num_probes=4, seed=0)


def test_every_action_gets_its_share(probes: Probes) -> None:
    assert probes.chosen.sum(axis=0).tolist() == [4] * 7


def test_same_seed_gives_same_probes(twin_env: Env, probes: Probes) -> None:
    again = collect_probes(twin_env, MIXED, num_probes=28, seed=3)
    np.testing.assert_array_equal(again.outcomes, probes.outcomes)
    np.testing.assert_array_equal(again.clips, probes.clips)


def test_outcome_is_what_the_action_does(twin_env: Env, probes: Probes) -> None:
    read = real_twin(twin_env).read_state
    cases = probes.cases()
    for name, clip, outcome in zip(cases.names, cases.clips, cases.outcomes, strict=True):
        before, after = read(clip[-1]), read(outcome[-1])
        match name:
            case "turn left":
                assert after["direction"] == (before["direction"] - 1) % 4
            case "turn right":
                assert after["direction"] == (before["direction"] + 1) % 4
            case "move forward":
                assert after["agent"] != before["agent"]
            case "pick up":
                assert before["carried"] is None is not after["carried"]
            case "drop":
                assert after["carried"] is None is not before["carried"]
            case "toggle":
                assert (after["doors"], after["objects"]) != (before["doors"], before["objects"])
            case "wait":
                assert after == before


def test_action_that_looks_like_another_one_is_no_case(probes: Probes) -> None:
    for outcomes, valid, chosen in zip(probes.outcomes, probes.valid, probes.chosen, strict=True):
        for number in np.flatnonzero(chosen[:-1]):
            rivals = [other for other in np.flatnonzero(valid) if other != number]
            assert min(change(outcomes[number], outcomes[other]) for other in rivals) >= MIN_CHANGE


def test_step_onto_the_goal_ends_the_episode_and_is_no_case(twin_env: Env) -> None:
    probes = collect_probes(twin_env, "policies.minigrid:expert", num_probes=140, seed=0)
    ended = ~probes.valid
    assert ended.any() and not (ended & probes.chosen).any()
    assert set(np.nonzero(ended)[1]) == {probes.vocabulary.names.index("move forward")}


def test_actions_are_held_as_long_as_asked(twin_env: Env) -> None:
    probes = collect_probes(twin_env, MIXED, num_probes=7, seed=0, num_steps=3)
    assert probes.outcomes.shape[1:3] == (7, 3)
    assert probes.vocabulary.num_steps == 3


def test_change_is_taken_where_it_is_largest() -> None:
    still = np.zeros((2, 4, 4, 3), np.uint8)
    moved = still.copy()
    moved[1] = 8
    assert change(moved, still) == 8.0


def test_young_clip_is_full(probes: Probes) -> None:
    assert probes.clips.shape[1] == CLIP_FRAMES


def test_cases_are_the_chosen_actions(probes: Probes) -> None:
    cases = probes.cases()
    assert np.bincount(cases.labels).tolist() == [4] * 7
    assert cases.names[0] == probes.vocabulary.names[cases.labels[0]]
    np.testing.assert_array_equal(cases.clips[5], probes.clips[cases.moments[5]])
    np.testing.assert_array_equal(cases.outcomes[5], probes.outcomes[cases.moments[5], cases.labels[5]])


def test_cases_can_be_selected(probes: Probes) -> None:
    cases = probes.cases()
    drops = cases.select(np.asarray([name == "drop" for name in cases.names]))
    assert drops.names == ["drop"] * 4
    np.testing.assert_array_equal(drops.outcomes, cases.outcomes[cases.labels == 4])
