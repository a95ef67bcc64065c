"""Reward and termination logits, and the rewards that they stand for."""

import pytest
import torch

from wm_gym.transition.heads import Heads, HeadsConfig


def heads(*values: float) -> Heads:
    torch.manual_seed(0)
    built: Heads = Heads.build(HeadsConfig(reward_values=values, width=16))
    return built.eval()


def test_one_logit_a_reward_and_one_for_termination() -> None:
    rewards, termination = heads(-1.0, 0.0, 1.0)(torch.randn(5, 2, 16), torch.randn(5, 4, 16))
    assert rewards.shape == (5, 3)
    assert termination.shape == (5,)


def test_of_two_rewards_it_is_the_likelier() -> None:
    logits = torch.tensor([[0.0, 3.0], [2.0, 0.0], [-1.0, -0.99]])
    assert heads(-1.0, 0.5).reward(logits).tolist() == [0.5, -1.0, 0.5]


def test_reward_is_the_median_or_another_quantile() -> None:
    logits = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()
    network = heads(-1.0, 2.0, 2.1, 2.2)
    assert network.reward(logits).tolist() == pytest.approx([2.0])  # the likeliest is -1
    read = [network.reward(logits, torch.tensor([quantile])).item() for quantile in (0.0, 0.39, 0.41, 0.85, 0.9999999)]
    assert read == pytest.approx([-1.0, -1.0, 2.0, 2.1, 2.2])


def test_reward_class_is_the_nearest_value() -> None:
    assert heads(-1.0, 0.0, 0.5).reward_class(torch.tensor([-1.0, 0.1, 0.3, 9.0])).tolist() == [0, 1, 2, 2]


def test_class_of_a_value_is_read_back_as_that_value() -> None:
    network, values = heads(-1.0, 0.0, 0.5), torch.tensor([-1.0, 0.0, 0.5])
    assert torch.equal(network.reward(9 * torch.eye(3)[network.reward_class(values)]), values)


@pytest.mark.parametrize("quantile", [0.0, 1 - 2**-24])
def test_no_quantile_is_a_reward_that_cannot_come(quantile: float) -> None:
    logits = torch.tensor([[-200.0, 0.1, 0.3, -200.0]])
    assert heads(-100.0, 1.0, 1.1, 9.0).reward(logits, torch.tensor([quantile])).item() in (1.0, pytest.approx(1.1))


@pytest.mark.parametrize("changed", [0, 1])
def test_latent_state_and_observation_both_matter(changed: int) -> None:
    network, inputs = heads(0.0, 1.0), [torch.randn(1, 2, 16), torch.randn(1, 4, 16)]
    before = network(*inputs)
    inputs[changed] = inputs[changed] + torch.randn_like(inputs[changed])
    after = network(*inputs)
    assert all((a - b).abs().max() > 1e-4 for a, b in zip(after, before, strict=True))


def test_values_come_from_the_config_and_not_from_the_weights() -> None:
    assert "_values" not in heads(0.0, 1.0).state_dict()
