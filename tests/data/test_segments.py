"""Segments: which are drawn, and what they hold."""

from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.episodes import TEXTS, make_episode, write_dataset
from wm_gym.data.dataset import Dataset
from wm_gym.data.segments import SegmentBatch, SegmentSampler


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Episodes of 8, 3 and 1 steps: the first is truncated with a reward at step 4, the others terminate."""
    episodes = (make_episode(0, 8, reward_step=4, ends=False), make_episode(1, 3), make_episode(2, 1))
    return write_dataset(tmp_path / "tiny", *episodes)


def _equal(one: SegmentBatch, other: SegmentBatch) -> bool:
    return all(np.array_equal(getattr(one, row.name), getattr(other, row.name)) for row in fields(SegmentBatch))


def test_shapes_and_dtypes(dataset: Dataset) -> None:
    batch = SegmentSampler(dataset, num_rounds=4, batch_size=3).sample(0)
    assert batch.observations.shape == (3, 5, 2, 4, 6, 3) and batch.observations.dtype == np.uint8
    rows = (batch.actions, batch.rewards, batch.terminated, batch.mask)
    assert [row.shape for row in rows] == [(3, 4)] * 4
    assert [row.dtype.name for row in rows] == ["int64", "float32", "bool", "bool"]


def test_each_round_holds_the_step_of_its_episode(dataset: Dataset) -> None:
    sampler = SegmentSampler(dataset, num_rounds=3, batch_size=16)
    batch = sampler.sample(5)
    for row, (index, start) in enumerate(sampler.starts(5)):
        episode = dataset[index]
        num_steps = int(batch.mask[row].sum())
        steps = slice(start, start + num_steps)
        seen = batch.observations[row, : num_steps + 1]
        assert np.array_equal(seen, episode.observations[start : start + num_steps + 1])
        assert tuple(dataset.action_texts[a] for a in batch.actions[row, :num_steps]) == episode.actions[steps]
        assert np.array_equal(batch.rewards[row, :num_steps], episode.rewards[steps])
        assert np.array_equal(batch.terminated[row, :num_steps], episode.terminated[steps])


def test_padding_repeats_the_last_observation_and_is_masked(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, make_episode(1, 2))
    batch = SegmentSampler(dataset, num_rounds=4, batch_size=1).sample(0)
    assert batch.observations[0, :, 0, 0, 0, 0].tolist() == [10, 11, 12, 12, 12]
    assert batch.mask.tolist() == [[True, True, False, False]]
    assert batch.actions.tolist() == [[*(dataset.action_texts.index(text) for text in TEXTS[:2]), 0, 0]]
    assert batch.terminated.tolist() == [[False, True, False, False]]


def test_sample_depends_on_seed_and_iteration_alone(dataset: Dataset) -> None:
    one = SegmentSampler(dataset, num_rounds=2, batch_size=8, seed=3, event_fraction=0.5)
    other = SegmentSampler(dataset, num_rounds=2, batch_size=8, seed=3, event_fraction=0.5, cache_bytes=0)
    for iteration in range(20):
        one.sample(iteration)
    assert _equal(one.sample(7), other.sample(7))


@pytest.mark.parametrize(("seed", "iteration"), [(0, 8), (1, 7)])
def test_another_seed_or_iteration_draws_other_segments(dataset: Dataset, seed: int, iteration: int) -> None:
    base = SegmentSampler(dataset, num_rounds=2, batch_size=32, seed=0).starts(7)
    assert SegmentSampler(dataset, num_rounds=2, batch_size=32, seed=seed).starts(iteration) != base


def test_uniform_over_all_starts_that_leave_room(dataset: Dataset) -> None:
    sampler = SegmentSampler(dataset, num_rounds=3, batch_size=1000)
    counts = Counter(start for iteration in range(8) for start in sampler.starts(iteration))
    assert sorted(counts) == [*((0, start) for start in range(6)), (1, 0), (2, 0)]
    assert all(850 < count < 1150 for count in counts.values())  # 1000 expected, sigma 30


def test_event_segments_hold_their_event_in_any_round(dataset: Dataset) -> None:
    sampler = SegmentSampler(dataset, num_rounds=3, batch_size=3000, event_fraction=1.0)
    counts = Counter(sampler.starts(0))
    # a reward at step 4 of the first episode, terminations at step 2 of the second and at step 0 of the third
    assert set(counts) == {(0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2), (2, 0)}
    assert all(240 < count < 430 for start, count in counts.items() if start != (2, 0))  # 333 expected, sigma 17
    batch = sampler.sample(0)
    assert ((batch.rewards != 0) | batch.terminated).any(axis=1).all()
    ends = batch.terminated.argmax(axis=1)[batch.terminated.any(axis=1)]
    assert set(ends.tolist()) == {0, 1, 2}


def test_event_fraction_is_the_share_of_event_segments(dataset: Dataset) -> None:
    sampler = SegmentSampler(dataset, num_rounds=1, batch_size=4000, event_fraction=0.5)
    batch = sampler.sample(0)
    share = float(((batch.rewards[:, -1] != 0) | batch.terminated[:, -1]).mean())
    assert share == pytest.approx(0.5 + 0.5 * 3 / 12, abs=0.04)  # 3 of 12 uniform ones are events too


def test_dataset_without_events_is_drawn_uniformly(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, make_episode(0, 8, ends=False))
    starts = SegmentSampler(dataset, num_rounds=2, batch_size=300, event_fraction=1.0).starts(0)
    assert {start for _, start in starts} == set(range(7))


def test_full_cache_drops_the_least_recently_used(dataset: Dataset) -> None:
    sampler = SegmentSampler(dataset, num_rounds=1, batch_size=64, cache_bytes=dataset[0].observations.nbytes)
    sampler.sample(0)
    assert len(sampler._cache) < 3
    assert sampler._cached_bytes == sum(episode.num_bytes for episode in sampler._cache.values())


@pytest.mark.parametrize(
    "numbers", [{"num_rounds": 0}, {"batch_size": 0}, {"seed": -1}, {"event_fraction": 1.5}, {"event_fraction": -0.1}]
)
def test_number_out_of_range_is_named(dataset: Dataset, numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(numbers))} must be"):
        SegmentSampler(dataset, **{"num_rounds": 1, "batch_size": 1, **numbers})  # type: ignore[arg-type]


def test_negative_iteration_is_rejected(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="iteration must be at least 0, got -1"):
        SegmentSampler(dataset, num_rounds=1, batch_size=1).sample(-1)


def test_lead_shows_what_came_before(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, make_episode(0, num_steps=6))
    sampler = SegmentSampler(dataset, num_rounds=2, batch_size=64, num_lead=2)
    batch = sampler.sample(0)
    assert batch.observations.shape[1] == 5
    for row, (_, start) in enumerate(sampler.starts(0)):
        shown = batch.observations[row, :, 0, 0, 0, 0].tolist()
        assert shown == [max(step, 0) for step in range(start - 2, start + 3)]


def test_still_segments_begin_at_a_still_picture(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, make_episode(0, num_steps=6))
    batch = SegmentSampler(dataset, num_rounds=2, batch_size=64, num_lead=2, still_fraction=1.0).sample(0)
    np.testing.assert_array_equal(batch.observations[:, 0], batch.observations[:, 2])
    assert (batch.observations[:, 2] != batch.observations[:, 3]).all()


def test_world_events_stand_beside_their_actions(tmp_path: Path) -> None:
    eventful = replace(make_episode(1, 4), world_events=("", "it rains", "", "a door opens"))
    dataset = write_dataset(tmp_path, eventful, make_episode(2, 4))
    assert dataset.event_texts == ("", "a door opens", "it rains")
    sampler = SegmentSampler(dataset, num_rounds=5, batch_size=16)
    batch = sampler.sample(0)
    for row, (index, _) in enumerate(sampler.starts(0)):
        expected = ["", "it rains", "", "a door opens", ""] if index == 0 else [""] * 5
        assert [dataset.event_texts[event] for event in batch.world_events[row]] == expected
    assert len({index for index, _ in sampler.starts(0)}) == 2
