"""The codebook: vectors become the nearest code, gradients pass through, and the entropy counts codes in use."""

import math

import torch

from tests.tolerances import assert_near
from wm_gym.training.latent_actions.codebook import Codebook, entropy


def axes(num_codes: int) -> Codebook:
    """A codebook whose codes are the axes, of different lengths."""
    codebook = Codebook(num_codes, num_codes)
    codebook.table.data = torch.diag(torch.arange(1.0, num_codes + 1))
    return codebook


def test_vector_becomes_the_code_of_nearest_direction() -> None:
    quantised = axes(3)(torch.tensor([[9.0, 1.0, 0.0], [0.1, 0.2, 0.3], [0.0, 0.5, -2.0]]))
    assert quantised.codes.tolist() == [0, 2, 1]
    assert_near(quantised.embeddings, torch.eye(3)[[0, 2, 1]])
    assert_near(quantised.embeddings, axes(3).embed(quantised.codes))


def test_gradient_of_the_embedding_reaches_the_vector_and_not_the_code() -> None:
    codebook, vectors = axes(2), torch.tensor([[0.6, 0.8]], requires_grad=True)
    codebook(vectors).embeddings[0, 0].backward()
    assert vectors.grad is not None
    assert_near(vectors.grad, torch.tensor([[1 - 0.36, -0.48]]))  # through the normalisation
    assert codebook.table.grad is None or not codebook.table.grad.any()


def test_error_pulls_code_and_vector_together() -> None:
    codebook, vectors = axes(2), torch.tensor([[0.6, 0.8]], requires_grad=True)
    codebook(vectors).errors.sum().backward()
    assert vectors.grad is not None
    assert codebook.table.grad is not None
    assert vectors.grad[0] @ torch.tensor([-0.8, 0.6]) < 0  # descent turns the vector towards the second axis
    assert codebook.table.grad[1, 0] < 0  # and that axis towards the vector


def test_error_is_zero_on_a_code() -> None:
    assert_near(axes(2)(torch.tensor([[0.0, 7.0]])).errors, torch.zeros(1))


def test_entropy_is_the_logarithm_of_equally_frequent_codes() -> None:
    assert_near(entropy(torch.tensor([0.25, 0.25, 0.0, 0.25, 0.25])), torch.tensor(math.log(4)))
    assert_near(entropy(torch.tensor([[1.0, 0.0], [0.5, 0.5]])), torch.tensor([0.0, math.log(2)]))
