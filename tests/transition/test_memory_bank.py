"""The bank keeps the last rounds; recall finds those that matter now, each picture once, at a fixed cost."""

import math

import pytest
import torch
from torch import Tensor

from tests.tolerances import assert_near
from tests.transition.memories import CONFIG, SLOTS, actions, filled_bank, pictures
from wm_gym.transition.memory_bank import (
    MemoryBank,
    MemoryConfig,
    Recalled,
    held_rounds,
    noised,
    picture_keys,
    recall,
    similarity,
    write_round,
)

LAST = 9  # the tenth round: what is seen now came after it, so that it is always recalled


def numbers(recalled: Recalled, seen: Tensor, row: int = 0) -> list[int]:
    """Which of the pictures were recalled, in order."""
    rows = recalled.latents[row][recalled.real[row]]
    return [int((seen[row] == each).flatten(1).all(dim=1).nonzero()[0]) for each in rows]


def bank_of(seen: Tensor) -> MemoryBank:
    return filled_bank(seen, actions(*seen.shape[:2]))


def test_bank_keeps_the_last_rounds_the_newest_on_the_right() -> None:
    seen, done = pictures(2, SLOTS + 5), actions(2, SLOTS + 5)
    bank = filled_bank(seen, done)
    assert torch.equal(bank.latents, seen[:, 5:])
    assert torch.equal(bank.actions, done[:, 5:])
    assert torch.equal(bank.keys, picture_keys(seen[:, 5:]))
    assert bank.rounds.tolist() == [SLOTS + 5] * 2


def test_bank_fills_from_the_right() -> None:
    bank = bank_of(pictures(1, 2))
    assert bank.filled[0].tolist() == [False] * (SLOTS - 2) + [True] * 2
    assert not bank.latents[0, : SLOTS - 2].any()


def test_bank_has_the_same_size_at_every_age() -> None:
    young, old = bank_of(pictures(1, 1)), bank_of(pictures(1, 40))
    for name in ("latents", "actions", "keys", "rounds"):
        assert getattr(young, name).shape == getattr(old, name).shape


def test_writing_leaves_the_bank_before_as_it_is() -> None:
    seen = pictures(1, SLOTS + 1)
    bank = bank_of(seen[:, :SLOTS])
    write_round(bank, seen[:, SLOTS], actions(1, 1)[:, 0])
    assert torch.equal(bank.latents, seen[:, :SLOTS])
    assert bank.rounds.tolist() == [SLOTS]


def test_similarity_is_one_for_equal_pictures_and_falls_with_their_difference() -> None:
    keys = picture_keys(pictures(1, 1)[0])
    same, near, far = similarity(keys, torch.cat([keys, keys + 0.1, keys + 1]))[0].tolist()
    assert same == pytest.approx(1, abs=1e-6)
    assert near == pytest.approx(0.8825, abs=1e-4)  # exp(-0.1^2 / (2 * 0.2^2))
    assert far < 1e-4


def test_the_same_place_is_recalled_with_the_rounds_before_and_after_it() -> None:
    seen = pictures(1, 10)
    recalled = recall(bank_of(seen), seen[:, 4], 4)
    assert sorted(numbers(recalled, seen)) == [3, 4, 5, LAST]


def test_relations_say_where_the_present_picture_stands() -> None:
    seen = pictures(1, 10)
    bank = bank_of(seen)
    recalled = recall(bank, seen[:, 4], 4)
    relations = dict(zip(numbers(recalled, seen), recalled.relations[0], strict=True))
    for number, expected in ((5, (1, 0, 0)), (4, (0, 1, 0)), (3, (0, 0, 1))):
        assert relations[number][:3].round().tolist() == list(expected)
        assert float(relations[number][4]) == pytest.approx((10 - number) / SLOTS)


def test_actions_of_a_round_and_of_the_one_before_come_with_it() -> None:
    seen, done = pictures(1, 10), actions(1, 10)
    recalled = recall(filled_bank(seen, done), seen[:, 4], 3)
    for place, number in enumerate(numbers(recalled, seen)):
        assert torch.equal(recalled.actions[0, place], done[0, number])
        assert torch.equal(recalled.actions_before[0, place], done[0, number - 1])


def test_the_round_just_done_is_recalled() -> None:
    seen = pictures(1, 10)
    recalled = recall(bank_of(seen), pictures(1, 1, seed=9)[:, 0], 1)
    assert numbers(recalled, seen) == [LAST]
    assert float(recalled.relations[0, 0, 2]) == 1  # what came after it is what is seen now


def test_the_first_round_has_none_before_it() -> None:
    seen = pictures(1, 2)
    recalled = recall(bank_of(seen), seen[:, 0], 3)
    first = numbers(recalled, seen).index(0)
    assert not recalled.actions_before[0, first].any()
    assert float(recalled.relations[0, first, 3]) == 0
    assert float(recalled.relations[0, :2, 3].sum()) == 1


def test_of_equal_pictures_the_most_recent_is_recalled_alone() -> None:
    seen = pictures(1, 10)
    seen[:, 2] = seen[:, 8]
    seen[:, 5] = seen[:, 8] + 0.01
    recalled = recall(bank_of(seen), pictures(1, 1, seed=9)[:, 0], 4)
    assert len(set(numbers(recalled, seen)) & {2, 5, 8}) <= 1
    alone = recall(bank_of(seen), seen[:, 8], 2)
    assert numbers(alone, seen)[0] == LAST
    assert torch.equal(alone.latents[0, 1], seen[0, 8])
    assert float(alone.relations[0, 1, 4]) == pytest.approx(2 / SLOTS)


def test_of_equally_relevant_rounds_the_recent_come_first() -> None:
    seen = pictures(1, 9)
    seen[:, 1] = seen[:, 5]
    recalled = recall(bank_of(seen), seen[:, 1], 4)
    assert set(numbers(recalled, seen)) in ({1, 4, 6, 8}, {4, 5, 6, 8})
    assert 0 not in numbers(recalled, seen)


def test_recency_above_1_recalls_the_oldest_of_equal_pictures() -> None:
    seen = pictures(1, 10)
    seen[:, 2] = seen[:, 6]
    for recency, age in ((0.5, 4), (2.0, 8)):
        recalled = recall(bank_of(seen), seen[:, 6], 3, recency)
        row = numbers(recalled, seen).index(2)  # or 6: they look alike
        assert float(recalled.relations[0, row, 4]) == pytest.approx(age / SLOTS)


@pytest.mark.parametrize("recency", [0.0, -1.0, math.inf, math.nan])
def test_recency_out_of_range_is_refused(recency: float) -> None:
    with pytest.raises(ValueError, match="memory recency must be above 0 and finite"):
        MemoryConfig(recency=recency)


@pytest.mark.parametrize("age", [0, 2, 3, 4, 20])
@pytest.mark.parametrize("sink_rounds", [0, 1])
def test_held_rounds_are_those_of_the_history(age: int, sink_rounds: int) -> None:
    """The transition's cache holds the last three rounds, the first of the world among them where it is a sink."""
    seen = pictures(1, age + 1)
    bank = bank_of(seen[:, :age]) if age else filled_bank(seen[:, :0], actions(1, 0))
    held = held_rounds(bank, torch.tensor([min(age, 3)]), 3, sink_rounds)
    in_history = {*range(age - 3 + sink_rounds, age), *range(sink_rounds)} if age > 3 else set(range(age))
    in_bank = range(max(age - SLOTS, 0), age)
    assert [number for number in in_bank if held[0, number - age + SLOTS]] == sorted(in_history & set(in_bank))


@pytest.mark.parametrize("age", [0, 2, 4, 20])
def test_no_more_rounds_are_recalled_than_there_were(age: int) -> None:
    seen = pictures(1, age + 1)
    bank = bank_of(seen[:, :age]) if age else filled_bank(seen[:, :0], actions(1, 0))
    assert int(recall(bank, seen[:, age], 3).real.sum()) == min(age, 3)


def test_recall_is_deterministic_and_each_world_for_itself() -> None:
    seen, other = pictures(3, 10), pictures(3, 10, seed=1)
    other[1] = seen[1]
    mine, theirs = (recall(bank_of(each), each[:, 4], 3) for each in (seen, other))
    assert torch.equal(mine.latents[1], theirs.latents[1])
    assert torch.equal(mine.relations[1], theirs.relations[1])


def test_recall_forgets_what_fell_off() -> None:
    seen = pictures(1, SLOTS + 4)
    recalled = recall(bank_of(seen), seen[:, 0], 3)
    assert min(numbers(recalled, seen)) >= 4


def test_noise_goes_to_the_pictures_alone() -> None:
    seen = pictures(1, 5)
    recalled = recall(bank_of(seen), seen[:, 2], 3)
    after = noised(recalled, torch.full_like(recalled.latents, 0.5))
    assert_near(after.latents, recalled.latents + 0.5)
    assert torch.equal(after.relations, recalled.relations)


@pytest.mark.parametrize("rounds", [0, 9, -1])
def test_rounds_are_one_to_eight(rounds: int) -> None:
    with pytest.raises(ValueError, match=f"memory rounds must be 1 to 8, got {rounds}"):
        MemoryConfig(rounds=rounds)


def test_slots_must_hold_the_rounds() -> None:
    with pytest.raises(ValueError, match=r"memory slots must be at least the rounds \(3\), got 2"):
        MemoryConfig(rounds=3, slots=2)


def test_config_knows_the_shape_of_an_observation() -> None:
    assert CONFIG.latents == (1, 2, 4, 6)
