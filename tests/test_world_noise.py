"""The chance in a step, and the rewards and ends that are drawn with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import wm_gym
from tests.endless_worlds import TEXTS, set_termination_logit
from tests.production import unchecked
from tests.worlds import tiny_world_model
from wm_gym.env import WorldModelEnv
from wm_gym.vector_env import WorldModelVectorEnv
from wm_gym.world_model import WorldModel
from wm_gym.world_noise import latents_noise, outcome_noise, world_noise
from wm_gym.world_state import WorldState

assert wm_gym  # registers the ids

REWARD_ODDS, END_PROBABILITY = 3.0, 0.2  # of reward 1 against 0; of an end
MANY = 1000


def set_odds(model: WorldModel) -> WorldModel:
    """Let the heads say the same of every step: reward 1 at 3 to 1, an end at 1 in 5."""
    set_termination_logit(model, float(np.log(END_PROBABILITY / (1 - END_PROBABILITY))))
    with torch.no_grad():
        model.heads.readout.weight[:-1] = 0
        model.heads.readout.bias[:-1] = torch.tensor([0.0, np.log(REWARD_ODDS)])
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    return set_odds(tiny_world_model(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="module")
def chancy(model: WorldModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a checkpoint."""
    folder = tmp_path_factory.mktemp("chancy") / "world"
    model.save_pretrained(folder)
    return folder


def start(model: WorldModel, seeds: list[int]) -> WorldState:
    frames = model.starts["slide"][:1].expand(len(seeds), -1, -1, -1, -1)
    return model.reset(frames, seeds=seeds)


def outcomes(model: WorldModel, seeds: list[int], num_steps: int = 1) -> list[Any]:
    """Rewards and ends of each step, which go on after the ends."""
    state, seen = start(model, seeds), []
    for _ in range(num_steps):
        state, output = model.step(state, ["wait"] * len(seeds), sample_outcomes=True)
        seen.append((output.reward.tolist(), output.terminated.tolist()))
    return seen


def test_both_kinds_of_noise_depend_on_seed_and_round_alone(model: WorldModel) -> None:
    seeds, rounds = torch.tensor([3, 3, 3, 4]), torch.tensor([0, 1, 0, 0])
    state = replace(start(model, [0, 0, 0, 0]), seeds=seeds, rounds=rounds)
    for noise in (world_noise(state, (6,)), *outcome_noise(state)):
        assert torch.equal(noise[0], noise[2])
        assert not torch.equal(noise[0], noise[1])
        assert not torch.equal(noise[0], noise[3])


def test_pictures_and_outcomes_are_drawn_from_streams_that_never_meet(model: WorldModel) -> None:
    state = start(model, list(range(MANY)))
    with unchecked():
        picture, (quantile, threshold) = world_noise(state, (1,))[:, 0], outcome_noise(state)
    for one, other in ((picture, quantile), (picture, threshold), (quantile, threshold)):
        correlation = float(torch.corrcoef(torch.stack([one, other]))[0, 1])
        assert abs(correlation) < 4 / MANY**0.5


def test_the_noise_of_pictures_is_what_it_was_before_outcomes_had_any(model: WorldModel) -> None:
    expected = np.random.Generator(np.random.Philox(key=[7, 0])).standard_normal(5, dtype=np.float32)
    np.testing.assert_array_equal(world_noise(start(model, [7]), (5,))[0].numpy(), expected)


def test_context_noise_is_a_stream_of_its_own(model: WorldModel) -> None:
    state = start(model, [7, 7, 8])
    noise = latents_noise(state)
    assert torch.equal(noise[0], noise[1]) and not torch.equal(noise[0], noise[2])
    assert noise.shape == state.latents.shape
    assert not torch.equal(noise[0], world_noise(state, tuple(state.latents.shape[1:]))[0])


def test_context_noise_steps_from_blurred_latents(model: WorldModel) -> None:
    state = start(model, [7, 8])
    latents = state.latents + 0.2 * latents_noise(state)
    with torch.no_grad():
        blurred = replace(state, latents=latents, observation_tokens=model.encoder(latents))
    expected, _ = model.step(blurred, ["wait", "go left"])
    actual, _ = model.step(state, ["wait", "go left"], context_noise=0.2)
    assert torch.equal(actual.frames, expected.frames)
    assert torch.equal(actual.transition.keys, expected.transition.keys)
    clear, _ = model.step(state, ["wait", "go left"])
    assert not torch.equal(actual.latents, clear.latents)
    with unchecked(), pytest.raises(ValueError, match="context_noise must be at least 0 and finite, got -1"):
        model.step(state, ["wait", "go left"], context_noise=-1.0)


def test_frequencies_are_the_heads_probabilities(model: WorldModel) -> None:
    with unchecked():
        (rewards, ends), *_ = outcomes(model, list(range(MANY)))
    for values, probability in ((rewards, REWARD_ODDS / (1 + REWARD_ODDS)), (ends, END_PROBABILITY)):
        error = (probability * (1 - probability) / MANY) ** 0.5
        assert np.mean(values) == pytest.approx(probability, abs=4 * error)


def test_by_default_the_median_outcome_comes(model: WorldModel) -> None:
    _, output = model.step(start(model, list(range(32))), ["wait"] * 32)
    assert (set(output.reward.tolist()), set(output.terminated.tolist())) == ({1.0}, {False})
    assert output.termination_probability.tolist() == pytest.approx([END_PROBABILITY] * 32)


def test_sampling_changes_nothing_but_the_outcomes(model: WorldModel) -> None:
    state = start(model, [0, 1])
    (one, first), (two, second) = (model.step(state, ["wait", ""], sample_outcomes=flag) for flag in (False, True))
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, two.tensors()[name]), name
    assert torch.equal(first.termination_probability, second.termination_probability)


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_what_is_certain_always_comes(model: WorldModel, logit: float) -> None:
    try:
        set_termination_logit(model, logit)
        assert {end for _, ends in outcomes(model, list(range(64)), 2) for end in ends} == {logit > 0}
    finally:
        set_odds(model)


def test_outcomes_repeat_with_the_seed_and_differ_without(model: WorldModel) -> None:
    assert outcomes(model, [5, 6], 12) == outcomes(model, [5, 6], 12)
    assert outcomes(model, [5, 6], 12) != outcomes(model, [5, 7], 12)


def test_who_shares_the_batch_does_not_matter(model: WorldModel) -> None:
    alone = outcomes(model, [5], 12)
    for seeds, row in (([5, 1, 2], 0), ([9, 8, 5], 2)):
        beside = outcomes(model, seeds, 12)
        assert [(rewards[row], ends[row]) for rewards, ends in beside] == [(r[0], e[0]) for r, e in alone]


def test_a_saved_and_loaded_fork_draws_the_same(model: WorldModel, tmp_path: Path) -> None:
    state, _ = model.step(start(model, [3]), ["wait"], sample_outcomes=True)
    state.save(tmp_path / "state.safetensors")
    loaded = WorldState.load(tmp_path / "state.safetensors")
    for _ in range(8):
        (state, one), (loaded, two) = (model.step(each, ["wait"], sample_outcomes=True) for each in (state, loaded))
        assert (one.reward.tolist(), one.terminated.tolist()) == (two.reward.tolist(), two.terminated.tolist())


def test_a_rollout_draws_what_steps_draw(model: WorldModel) -> None:
    rollout = model.rollout(start(model, [0, 1, 2]), [["wait"] * 6] * 3, sample_outcomes=True)
    stepped = outcomes(model, [0, 1, 2], 6)
    for row in range(3):
        steps = int(rollout.num_steps[row])
        assert rollout.rewards[row, :steps].tolist() == [rewards[row] for rewards, _ in stepped[:steps]]
        assert rollout.terminated[row, :steps].tolist() == [ends[row] for _, ends in stepped[:steps]]
    assert rollout.num_steps.tolist() != [6, 6, 6]


def test_an_env_draws_with_sample_outcomes_alone(chancy: Path) -> None:
    def rewards(**arguments: Any) -> set[float]:
        env = gym.make("wm_gym/World-v0", checkpoint=chancy, **arguments)
        return {float(env.step("wait")[1]) for seed in range(24) if env.reset(seed=seed)}

    assert rewards() == {1.0}
    assert rewards(sample_outcomes=True) == {0.0, 1.0}


def test_an_env_repeats_its_draws_from_a_clone(chancy: Path) -> None:
    env = WorldModelEnv(checkpoint=chancy, sample_outcomes=True)
    lives = []
    for seed in range(4):
        env.reset(seed=seed)
        saved = env.clone_state()
        for _ in range(2):
            env.restore_state(saved)
            lives.append(live_until_the_end(env))
    assert lives[::2] == lives[1::2]
    assert len({len(life) for life in lives}) > 1


def live_until_the_end(env: WorldModelEnv) -> list[Any]:
    """Observations, rewards and ends of an episode, as comparable values."""
    seen: list[Any] = []
    while not (seen and seen[-1][2]):
        observation, reward, terminated, *_ = env.step(TEXTS[len(seen) % len(TEXTS)])
        seen.append((observation.tobytes(), reward, terminated))
    return seen


def test_rows_of_a_vector_env_draw_as_single_envs(chancy: Path) -> None:
    envs = WorldModelVectorEnv(4, checkpoint=chancy, sample_outcomes=True)
    envs.reset(seed=0)
    single = WorldModelEnv(checkpoint=chancy, sample_outcomes=True)
    _, rewards, ends, *_ = envs.step(["wait"] * 4)
    for row in range(4):
        single.reset(seed=row)
        assert single.step("wait")[1:3] == (rewards[row], ends[row])


def test_a_vector_env_repeats_its_draws_from_a_clone(chancy: Path) -> None:
    envs = WorldModelVectorEnv(4, checkpoint=chancy, sample_outcomes=True)
    envs.reset(seed=0)
    saved = envs.clone_state(include_rng=True)
    first = [part.tolist() for part in envs.step(["wait"] * 4)[1:3]]
    envs.restore_state(saved)
    assert [part.tolist() for part in envs.step(["wait"] * 4)[1:3]] == first
