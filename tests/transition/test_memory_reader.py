"""The reader adds tokens to the latent state that begin as its copies, and that the recalled rounds change."""

from dataclasses import replace

import pytest
import torch

from tests.tolerances import assert_near
from tests.transition.memories import CONFIG, SLOTS, actions, filled_bank, pictures
from tests.transition.transitions import NUM_ACTIONS, NUM_STATES, WIDTH
from wm_gym.transition.memory_bank import MemoryBank, MemoryConfig, Recalled, held_rounds, picture_keys, recall
from wm_gym.transition.memory_reader import MemoryReader

TOKENS = 2 * 3  # a patch is two cells a side
RING = MemoryConfig(rounds=4, slots=20, latent_channels=4, latent_size=(2, 2))


@pytest.fixture
def reader() -> MemoryReader:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MemoryReader(CONFIG, WIDTH)


def moved(reader: MemoryReader) -> MemoryReader:
    """The reader after some training: its last layer is no longer zero."""
    torch.nn.init.normal_(reader.output.weight, generator=torch.Generator().manual_seed(1))
    return reader


def recalled(batch_size: int = 2, num_rounds: int = 8) -> Recalled:
    seen = pictures(batch_size, num_rounds)
    bank = filled_bank(seen, actions(batch_size, num_rounds))
    return recall(bank, seen[:, 3], torch.zeros(batch_size, SLOTS, dtype=torch.bool), CONFIG.rounds)


def state(batch_size: int = 2) -> torch.Tensor:
    return torch.randn(batch_size, NUM_STATES, WIDTH, generator=torch.Generator().manual_seed(2))


def now(batch_size: int = 2) -> torch.Tensor:
    return torch.randn(batch_size, NUM_ACTIONS, WIDTH, generator=torch.Generator().manual_seed(3))


def test_fresh_reader_repeats_the_latent_state(reader: MemoryReader) -> None:
    known = reader(state(), now(), recalled())
    assert reader.num_tokens == TOKENS
    assert torch.equal(known, state().repeat(1, 1 + TOKENS // NUM_STATES, 1))


def test_the_latent_state_itself_stays(reader: MemoryReader) -> None:
    known = moved(reader)(state(), now(), recalled())
    assert known.shape == (2, NUM_STATES + TOKENS, WIDTH)
    assert torch.equal(known[:, :NUM_STATES], state())


@pytest.mark.parametrize("what", ["latents", "actions", "actions_before", "relations"])
def test_all_of_a_recalled_round_matters(reader: MemoryReader, what: str) -> None:
    before = recalled()
    changed = replace(before, **{what: getattr(before, what).flip(1) + 0.5})
    one, other = (moved(reader)(state(), now(), each) for each in (before, changed))
    assert (one - other).abs().max() > 1e-3


def test_the_action_now_matters(reader: MemoryReader) -> None:
    one, other = (moved(reader)(state(), action, recalled()) for action in (now(), now() + 1))
    assert (one - other).abs().max() > 1e-4


def test_what_stands_where_nothing_was_recalled_does_not_matter(reader: MemoryReader) -> None:
    few = recalled(num_rounds=4)
    few = replace(few, real=few.real & (torch.arange(CONFIG.rounds) < 2))
    junk = few.latents.clone()
    junk[:, 2:] = 77
    one, other = (moved(reader)(state(), now(), each) for each in (few, replace(few, latents=junk)))
    assert torch.equal(one, other)


def test_with_nothing_recalled_it_is_finite(reader: MemoryReader) -> None:
    nothing = replace(recalled(), real=torch.zeros(2, CONFIG.rounds, dtype=torch.bool))
    assert bool(moved(reader)(state(), now(), nothing).isfinite().all())


def test_order_of_the_recalled_rounds_does_not_matter(reader: MemoryReader) -> None:
    before = recalled()
    turned = {name: getattr(before, name).flip(1) for name in ("latents", "actions", "actions_before", "relations")}
    turned["real"] = before.real.flip(1)
    one, other = (moved(reader)(state(), now(), each) for each in (before, Recalled(**turned)))
    assert_near(one, other)


def test_gradient_reaches_every_weight(reader: MemoryReader) -> None:
    moved(reader)(state(), now(), recalled()).square().sum().backward()
    for name, weight in reader.named_parameters():
        assert weight.grad is not None, name
        assert bool(weight.grad.abs().sum() > 0), name


def test_more_tokens_than_the_state_repeats_are_filled_up() -> None:
    reader = MemoryReader(replace(CONFIG, latent_size=(2, 6)), WIDTH)  # three tokens, two states
    rounds = replace(recalled(), latents=recalled().latents[..., :2, :])
    known = reader(state(), now(), rounds)
    assert torch.equal(known, state()[:, [0, 1, 0, 1, 0]])


def test_reader_learns_to_recall_what_was_before_and_after() -> None:
    """On a ring of random rooms, one in view: a step left or right shows a room that was left 3 to 20 rounds ago."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        recalling, forgetful = error_after_training(3), error_after_training(RING.slots)
    assert forgetful > 0.8  # of 1, the rooms' variance
    assert recalling < 0.4


def error_after_training(history_rounds: int) -> float:
    """Mean squared error of the room that comes next, where memory recalls what `history_rounds` do not hold."""
    reader, read = MemoryReader(RING, 32), torch.nn.Linear(32, 16)
    optimizer = torch.optim.Adam([*reader.parameters(), *read.parameters()], lr=1e-2)
    errors = []
    for _ in range(110):
        bank, present, now, target = ring_walk(24)
        held = held_rounds(bank, torch.full((24,), history_rounds), history_rounds, 0)
        known = reader(torch.zeros(24, 1, 32), now, recall(bank, present, held, RING.rounds))
        error = (read(known[:, -1]) - target.flatten(1)).pow(2).mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(float(error.detach()))
    return sum(errors[-20:]) / 20


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
