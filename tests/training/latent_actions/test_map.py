"""The map from latent actions to names: context decides where a code alone cannot, and held-out steps stay held out."""

import pytest
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn.functional import one_hot

from wm_gym.training.latent_actions.map import NUM_FOLDS, ActionMap, cross_validate


def turns(num_steps: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Turns left (0) and right (1) from 4 directions; the code is the new direction, the features hold the old one."""
    generator = torch.Generator().manual_seed(seed)
    actions = torch.randint(2, (num_steps,), generator=generator)
    before = torch.randint(4, (num_steps,), generator=generator)
    noise = 0.1 * torch.randn(num_steps, 4, generator=generator)
    return one_hot(before, 4) + noise, (before + 2 * actions - 1) % 4, actions


def share(context: Tensor) -> float:
    """Share of fresh turns that a map names, which learned from 100."""
    learned, fresh = turns(100, seed=1), turns(500, seed=2)
    fitted = ActionMap(learned[0] * context, learned[1], learned[2], num_codes=4, num_actions=2)
    return float((fitted.predict(fresh[0] * context, fresh[1]).argmax(dim=1) == fresh[2]).float().mean())


def test_code_that_means_a_direction_needs_the_one_before() -> None:
    assert share(torch.ones(4)) > 0.98
    assert share(torch.zeros(4)) < 0.65  # the code alone is a coin


def test_probabilities_sum_to_one() -> None:
    features, codes, actions = turns(40, seed=1)
    predicted = ActionMap(features, codes, actions, num_codes=4, num_actions=3).predict(features, codes)
    assert predicted.shape == (40, 3)
    assert torch.allclose(predicted.sum(dim=1), torch.ones(40))


def test_equal_seeds_give_equal_maps_and_leave_torchs_generator_alone() -> None:
    features, codes, actions = turns(40, seed=1)
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one, other = (ActionMap(features, codes, actions, num_codes=4, num_actions=2) for _ in range(2))
    assert torch.equal(one.predict(features, codes), other.predict(features, codes))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("num_steps", [2, 7, 23])
def test_no_step_is_predicted_by_what_was_fitted_to_it(num_steps: int) -> None:
    folds: list[list[bool]] = []

    def predict(fitted: Bool[Tensor, " steps"], others: Bool[Tensor, " steps"]) -> Int[Tensor, " others"]:
        assert not (fitted & others).any()
        assert (fitted | others).all()
        folds.append(others.tolist())
        return others.nonzero()[:, 0]

    assert cross_validate(predict, num_steps).tolist() == list(range(num_steps))
    assert len(folds) == min(NUM_FOLDS, num_steps)
