"""Who sees whom, and the cache of chunks."""

import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed

from tests.tolerances import assert_near
from wm_gym.decoder.chunk_attention import ChunkCache, append_chunk, chunk_causal_mask, rotate

LAYERS, HEADS, HEAD_DIM, CHUNK_TOKENS = 2, 2, 4, 3


def cache_of(chunks: list[int], places: int) -> ChunkCache:
    """A cache whose keys hold the number of the token's place."""
    past = places * CHUNK_TOKENS
    numbers = torch.arange(past, dtype=torch.float32)[None, None, :, None, None]
    keys = numbers.expand(len(chunks), LAYERS, past, HEADS, HEAD_DIM).clone()
    return ChunkCache(keys=keys, values=-keys, chunks=torch.tensor(chunks))


def written(batch_size: int, value: float) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What a pass over one chunk leaves, layer by layer."""
    key = torch.full((batch_size, CHUNK_TOKENS, HEADS, HEAD_DIM), value)
    return [(key + layer, -key - layer) for layer in range(LAYERS)]


def test_mask_is_block_diagonal_within_a_window_of_one() -> None:
    mask = chunk_causal_mask(3, 2, 1, torch.device("cpu"))[0, 0]
    assert torch.equal(mask, torch.block_diag(*[torch.ones(2, 2)] * 3).bool())


def test_mask_sees_the_window_before_and_nothing_after() -> None:
    mask = chunk_causal_mask(4, 1, 2, torch.device("cpu"))[0, 0]
    assert mask.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


def test_filled_places_are_the_rightmost() -> None:
    filled = cache_of([0, 1, 2], places=2).filled(CHUNK_TOKENS)
    assert filled.int().tolist() == [[0] * 6, [0] * 3 + [1] * 3, [1] * 6]


def test_append_drops_the_oldest_chunk_and_puts_the_new_one_right() -> None:
    after = append_chunk(cache_of([2], places=2), written(1, 100.0), CHUNK_TOKENS)
    assert after.keys[0, 0, :, 0, 0].tolist() == [3, 4, 5, 100, 100, 100]
    assert after.keys[0, 1, :, 0, 0].tolist() == [3, 4, 5, 101, 101, 101]
    assert torch.equal(after.values, -after.keys)
    assert after.chunks.tolist() == [2]


def test_append_counts_up_to_the_window() -> None:
    after = append_chunk(cache_of([0, 1, 2], places=2), written(3, 0.0), CHUNK_TOKENS)
    assert after.chunks.tolist() == [1, 2, 2]


def test_append_to_a_window_of_one_keeps_nothing() -> None:
    cache = cache_of([0], places=0)
    assert append_chunk(cache, written(1, 1.0), CHUNK_TOKENS) is cache


def test_rotate_makes_products_depend_on_distance_alone() -> None:
    rope = WanRotaryPosEmbed(HEAD_DIM * 3, (1, 1, 1), 16)
    rotary = rope(torch.empty(1, 1, 8, 1, 1))
    query, key = torch.randn(2, 1, 1, 1, HEAD_DIM * 3)
    queries, keys = (rotate(x.expand(1, 8, 1, -1), rotary)[0, :, 0] for x in (query, key))
    products = queries @ keys.T
    assert_near(products[2:, 2:], products[:-2, :-2])
    assert (products[0, 1:] - products[0, 0]).abs().min() > 1e-4
