"""Steps on the cache are the segment pass; the cache keeps sink and last rounds, and never grows."""

import pytest
import torch

from tests.tolerances import assert_near
from tests.transition.transitions import (
    NUM_ACTIONS,
    NUM_OBSERVATIONS,
    NUM_STATES,
    ROUND_TOKENS,
    WIDTH,
    language_model,
    random_rounds,
    random_transition,
    segment_pass,
    step_by_step,
)
from wm_gym.transition.round_cache import RoundCache
from wm_gym.transition.transition import TransitionConfig


@pytest.mark.parametrize("model_type", ["qwen3", "llama"])
def test_step_by_step_equals_the_segment_pass(model_type: str) -> None:
    transition, rounds = random_transition(model_type=model_type), random_rounds(2, 5)
    states, _ = step_by_step(transition, rounds)
    assert_near(states, segment_pass(transition, rounds))


def test_latent_state_has_the_configured_shape() -> None:
    states = segment_pass(random_transition(), random_rounds(2, 3))
    assert states.shape == (2, 3, NUM_STATES, WIDTH)


def test_a_round_sees_no_later_round() -> None:
    transition, rounds = random_transition(), random_rounds(1, 4)
    before = segment_pass(transition, rounds)
    rounds.observations[:, 2] += 1
    changed = (segment_pass(transition, rounds) - before).abs().amax(dim=(0, 2, 3)) > 1e-6
    assert changed.tolist() == [False, False, True, True]


@pytest.mark.parametrize("name", ["observations", "actions"])
def test_observation_and_action_both_matter(name: str) -> None:
    transition, rounds = random_transition(), random_rounds(1, 1)
    before = segment_pass(transition, rounds)
    getattr(rounds, name).add_(1)
    assert (segment_pass(transition, rounds) - before).abs().max() > 1e-3


@pytest.mark.parametrize("sink_rounds", [0, 1, 2])
@pytest.mark.parametrize("num_rounds", [6, 7, 15])
def test_full_cache_attends_to_sink_and_last_rounds(num_rounds: int, sink_rounds: int) -> None:
    transition = random_transition(num_layers=1, sink_rounds=sink_rounds)  # one layer: keys know their round alone
    rounds = random_rounds(2, num_rounds)
    states, _ = step_by_step(transition, rounds)
    kept = [*range(sink_rounds), *range(num_rounds - 1 - (4 - sink_rounds), num_rounds)]
    assert len(kept) == 5
    assert_near(states[:, -1], segment_pass(transition, rounds[kept])[:, -1])


def test_step_1000_equals_a_world_that_saw_only_what_is_kept() -> None:
    transition, rounds = random_transition(num_layers=1), random_rounds(1, 1000)
    states, cache = step_by_step(transition, rounds)
    kept = [0, 996, 997, 998, 999]
    assert_near(states[:, -1], segment_pass(transition, rounds[kept])[:, -1])
    assert cache.keys.shape == transition.empty_cache(1).keys.shape


def test_cache_has_a_fixed_shape() -> None:
    transition = random_transition()
    _, cache = step_by_step(transition, random_rounds(3, 9))
    assert cache.keys.shape == cache.values.shape == (3, 2, 2, 4 * ROUND_TOKENS, 8)
    assert cache.rounds.tolist() == [4, 4, 4]


@torch.no_grad()
def test_worlds_at_different_fill_levels_equal_their_own_runs() -> None:
    transition, rounds = random_transition(), random_rounds(4, 8)
    caches, states = [], []
    for row, past in enumerate((0, 1, 4, 7)):  # empty, part, full, slid
        world = rounds.world(row)
        cache = step_by_step(transition, world[list(range(past))])[1] if past else transition.empty_cache(1)
        states.append(transition.step(cache, world.observations[:, 7], world.actions[:, 7])[0])
        caches.append(cache)
    joined = RoundCache(
        keys=torch.cat([cache.keys for cache in caches]),
        values=torch.cat([cache.values for cache in caches]),
        rounds=torch.cat([cache.rounds for cache in caches]),
    )
    state, after = transition.step(joined, rounds.observations[:, 7], rounds.actions[:, 7])
    assert_near(state, torch.cat(states))
    assert after.rounds.tolist() == [1, 2, 4, 4]


def test_other_worlds_in_the_batch_change_no_bit() -> None:
    transition, mine, other = random_transition(), random_rounds(3, 6), random_rounds(3, 6, seed=1)
    other.observations[1], other.actions[1] = mine.observations[1], mine.actions[1]
    assert torch.equal(step_by_step(transition, mine)[0][1], step_by_step(transition, other)[0][1])


def test_a_world_alone_equals_itself_in_a_batch() -> None:
    transition, rounds = random_transition(), random_rounds(3, 6)
    assert_near(step_by_step(transition, rounds.world(1))[0], step_by_step(transition, rounds)[0][1:2])


@torch.no_grad()
def test_step_leaves_the_given_cache_as_it_is() -> None:
    transition, rounds = random_transition(), random_rounds(1, 6)
    _, cache = step_by_step(transition, rounds)
    keys, values = cache.keys.clone(), cache.values.clone()
    transition.step(cache, rounds.observations[:, 0], rounds.actions[:, 0])
    assert torch.equal(cache.keys, keys)
    assert torch.equal(cache.values, values)


def test_gradient_reaches_tokens_of_all_rounds_and_the_queries() -> None:
    transition, rounds = random_transition(), random_rounds(1, 3)
    rounds.observations.requires_grad_()
    rounds.actions.requires_grad_()
    transition(rounds.observations, rounds.actions)[:, -1].square().sum().backward()
    for tensor, others in (
        (rounds.observations, (0, 2, 3)),
        (rounds.actions, (0, 2, 3)),
        (transition.queries.weight, 1),
    ):
        assert tensor.grad is not None
        assert bool((tensor.grad.abs().amax(dim=others) > 0).all())


def test_more_rounds_than_the_cache_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="rounds must be at most history_rounds \\+ 1 = 5, got 6"):
        segment_pass(random_transition(), random_rounds(1, 6))


@pytest.mark.parametrize("sink_rounds", [-1, 4])
def test_sink_must_leave_room_for_the_present(sink_rounds: int) -> None:
    with pytest.raises(ValueError, match=f"sink_rounds must be at least 0 and below .*4.*got {sink_rounds}"):
        TransitionConfig(language_model=language_model(1), history_rounds=4, sink_rounds=sink_rounds)


def test_width_is_the_language_models() -> None:
    assert random_transition().width == WIDTH
    assert random_transition().round_tokens == NUM_OBSERVATIONS + NUM_ACTIONS + NUM_STATES
