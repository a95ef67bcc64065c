"""The reader weighs the recalled rounds and gives their picture."""

from dataclasses import replace

import pytest
import torch

from tests.tolerances import assert_near
from tests.transition.memories import CONFIG, actions, filled_bank, pictures
from tests.transition.transitions import NUM_ACTIONS, WIDTH
from wm_gym.transition.memory_bank import MemoryBank, MemoryConfig, Recalled, picture_keys, recall
from wm_gym.transition.memory_reader import MemoryReader

RING = MemoryConfig(rounds=4, slots=20, latent_channels=4, latent_size=(2, 2))


@pytest.fixture
def reader() -> MemoryReader:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MemoryReader(WIDTH)


def recalled(batch_size: int = 2, num_rounds: int = 8) -> Recalled:
    seen = pictures(batch_size, num_rounds)
    return recall(filled_bank(seen, actions(batch_size, num_rounds)), seen[:, 3], CONFIG.rounds)


def now(batch_size: int = 2) -> torch.Tensor:
    return torch.randn(batch_size, NUM_ACTIONS, WIDTH, generator=torch.Generator().manual_seed(3))


def test_picture_is_a_weighted_mean_of_the_recalled_ones(reader: MemoryReader) -> None:
    before = recalled()
    same = replace(before, latents=torch.ones_like(before.latents))
    picture = reader(now(), same)
    assert picture.shape == (2, *CONFIG.latents)
    assert bool((picture > 0).all() and (picture < 1).all())  # a share is for none of them
    assert_near(picture, picture[:, :1, :1, :1, :1].expand_as(picture))


def test_rounds_are_weighed_whole(reader: MemoryReader) -> None:
    one = recalled()
    number = torch.arange(CONFIG.rounds)[:, None, None, None, None]
    alone = [reader(now(), replace(one, latents=one.latents * (number == each))) for each in range(CONFIG.rounds)]
    assert_near(torch.stack(alone).sum(dim=0), reader(now(), one))


@pytest.mark.parametrize("what", ["latents", "actions", "actions_before", "relations"])
def test_all_of_a_recalled_round_matters(reader: MemoryReader, what: str) -> None:
    before = recalled()
    changed = replace(before, **{what: getattr(before, what).flip(1) + 0.5})
    one, other = (reader(now(), each) for each in (before, changed))
    assert (one - other).abs().max() > 1e-3


def test_the_action_now_matters(reader: MemoryReader) -> None:
    one, other = (reader(action, recalled()) for action in (now(), now() + 1))
    assert (one - other).abs().max() > 1e-4


def test_what_stands_where_nothing_was_recalled_does_not_matter(reader: MemoryReader) -> None:
    few = recalled(num_rounds=4)
    few = replace(few, real=few.real & (torch.arange(CONFIG.rounds) < 2))
    junk = few.latents.clone()
    junk[:, 2:] = 77
    one, other = (reader(now(), each) for each in (few, replace(few, latents=junk)))
    assert torch.equal(one, other)


def test_with_nothing_recalled_the_picture_is_empty(reader: MemoryReader) -> None:
    nothing = replace(recalled(), real=torch.zeros(2, CONFIG.rounds, dtype=torch.bool))
    assert not reader(now(), nothing).any()


def test_order_of_the_recalled_rounds_does_not_matter(reader: MemoryReader) -> None:
    before = recalled()
    turned = {name: getattr(before, name).flip(1) for name in ("latents", "actions", "actions_before", "relations")}
    turned["real"] = before.real.flip(1)
    one, other = (reader(now(), each) for each in (before, Recalled(**turned)))
    assert_near(one, other)


def test_gradient_reaches_every_weight(reader: MemoryReader) -> None:
    reader(now(), recalled()).square().sum().backward()
    for name, weight in reader.named_parameters():
        assert weight.grad is not None, name
        assert bool(weight.grad.abs().sum() > 0), name


def test_reader_learns_to_recall_what_was_before_and_after() -> None:
    """On a ring of random rooms, one in view: a step left or right shows a room that was left 3 to 20 rounds ago."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reader = MemoryReader(32)
        optimizer = torch.optim.Adam(reader.parameters(), lr=3e-2)
        errors = []
        for _ in range(110):
            bank, present, action, target = ring_walk(24)
            error = (reader(action, recall(bank, present, RING.rounds)) - target).pow(2).mean()
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            errors.append(float(error.detach()))
    assert sum(errors[-20:]) / 20 < 0.1  # of 1, the rooms' variance


def ring_walk(batch_size: int) -> tuple[MemoryBank, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Walks on rings of five rooms: the bank, what is seen now, the action, and what is seen after it."""
    rooms = torch.randn(batch_size, 5, *RING.latents)
    steps = torch.randint(2, (batch_size, 5)).repeat_interleave(5, dim=1)[:, : RING.slots + 1]  # 0 left, 1 right
    places = torch.cat([torch.zeros(batch_size, 1, dtype=torch.int64), (2 * steps - 1).cumsum(1)], dim=1) % 5
    seen, done = rooms[torch.arange(batch_size)[:, None], places], torch.eye(32)[steps][:, :, None]
    bank = MemoryBank(
        latents=seen[:, : RING.slots],
        actions=done[:, : RING.slots],
        keys=picture_keys(seen[:, : RING.slots]),
        rounds=torch.full((batch_size,), RING.slots),
    )
    return bank, seen[:, RING.slots], done[:, RING.slots], seen[:, RING.slots + 1]
