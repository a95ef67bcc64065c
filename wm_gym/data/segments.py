"""Segments: fixed-length slices of episodes, drawn for training."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from wm_gym.data.cache_limit import CacheLimit
from wm_gym.data.dataset import Dataset


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentBatch:
    """Segments of `rounds` steps and `lead + rounds + 1` observations.

    Attributes:
        observations: range [0, 255]; the first `lead` ones come before the segment, and only show how things move:
            before an episode's start its first observation is repeated, after its end the last one.
        actions: indices into `Dataset.action_texts`; 0 in the padding, and where the action was numbers.
        controls: the numbers of numeric actions, scaled to [-1, 1]; NaN where the action was a text, in the padding and
            in columns that the world does not have.
        world_events: what happened beside the actions, as indices into `Dataset.event_texts`; 0 for nothing.
        rewards: 0 in the padding.
        terminated: False in the padding.
        mask: True for a step of the episode, False for padding after its end.
    """

    observations: UInt8[np.ndarray, "batch time chunk height width channel"]
    actions: Int64[np.ndarray, "batch rounds"]
    controls: Float32[np.ndarray, "batch rounds numbers"]
    world_events: Int64[np.ndarray, "batch rounds"]
    rewards: Float32[np.ndarray, "batch rounds"]
    terminated: Bool[np.ndarray, "batch rounds"]
    mask: Bool[np.ndarray, "batch rounds"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _DecodedEpisode:
    """An episode in RAM, its texts as indices."""

    observations: UInt8[np.ndarray, "time chunk height width channel"]
    actions: Int64[np.ndarray, "time-1"]
    controls: Float32[np.ndarray, "time-1 numbers"]
    world_events: Int64[np.ndarray, "time-1"]
    rewards: Float32[np.ndarray, "time-1"]
    terminated: Bool[np.ndarray, "time-1"]

    @property
    def num_bytes(self) -> int:
        rows = (self.observations, self.actions, self.controls, self.world_events, self.rewards, self.terminated)
        return sum(row.nbytes for row in rows)


class SegmentSampler:
    """Draws batches of segments; what `sample(iteration)` returns depends on the seed and the iteration alone.

    A share of the segments ends with an event, a step with an unusual reward or a termination, since these are
    rare and the reward and termination heads learn from nothing else. (An event nearer to the episode's start than
    `num_rounds` lies inside the segment that begins at the start.) The others are uniform over all starts that leave
    room for a whole segment; a shorter episode has one start and is padded.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        num_rounds: int,
        batch_size: int,
        seed: int = 0,
        event_fraction: float = 0.0,
        num_lead: int = 0,
        still_fraction: float = 0.0,
        cache_bytes: int = 6 * 10**9,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        """Reads the index only; episodes are decoded when first drawn.

        Args:
            dataset: where the segments come from.
            num_rounds: steps a segment, at least 1.
            batch_size: segments a batch, at least 1.
            seed: at least 0.
            event_fraction: the chance, in [0, 1], that a segment is drawn by its event; without events it is 0.
            num_lead: observations before the segment's first, at least 0.
            still_fraction: the chance, in [0, 1], that a segment begins at a still picture: its first observation is
                repeated in place of those before it.
            cache_bytes: most RAM for decoded episodes, less where the machine is short of it (see `CacheLimit`); beyond
                it the least recently used one is dropped.
            shard: (i, n) gives the i-th of n equal parts of every batch, and reads the episodes of that part alone.

        Raises:
            ValueError: when a number is out of range.
        """
        counts = (
            ("num_rounds", num_rounds, 1),
            ("batch_size", batch_size, 1),
            ("seed", seed, 0),
            ("num_lead", num_lead, 0),
        )
        for name, value, least in counts:
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if not 0 <= shard[0] < shard[1] or batch_size % shard[1]:
            raise ValueError(f"batch_size must be a multiple of the {shard[1]} shards, got {batch_size}")
        for share, fraction in (("event_fraction", event_fraction), ("still_fraction", still_fraction)):
            if not 0 <= fraction <= 1:
                raise ValueError(f"{share} must be in [0, 1], got {fraction}")
        self.dataset = dataset
        self.num_rounds = num_rounds
        self.batch_size = batch_size
        self.seed = seed
        self.event_fraction = event_fraction
        self.num_lead = num_lead
        self.still_fraction = still_fraction
        self.cache_bytes = cache_bytes
        num_rows = batch_size // shard[1]
        self.rows = np.arange(shard[0] * num_rows, (shard[0] + 1) * num_rows)  # of the whole batch
        self._cache: OrderedDict[int, _DecodedEpisode] = OrderedDict()
        self._cached_bytes = 0
        self._limit = CacheLimit(cache_bytes)
        self._action_ids = {text: index for index, text in enumerate(dataset.action_texts)}
        self._event_ids = {text: index for index, text in enumerate(dataset.event_texts)}
        num_starts = [max(entry.num_steps - num_rounds, 0) + 1 for entry in dataset.entries]
        self._first_starts = np.cumsum([0, *num_starts])  # (episodes + 1,)
        events = [(index, step) for index, entry in enumerate(dataset.entries) for step in entry.event_steps]
        self._events = np.array(events, dtype=np.int64).reshape(-1, 2)  # episode, step

    def sample(self, iteration: int) -> SegmentBatch:
        """Returns the batch of one iteration, or the shard of it.

        Raises:
            ValueError: when `iteration` is negative.
            DatasetError: when an episode's file is missing or corrupt.
        """
        batch, rounds, lead = len(self.rows), self.num_rounds, self.num_lead
        manifest = self.dataset.manifest
        frame_shape = (manifest.chunk_frames, *manifest.frame_size, 3)
        observations = np.empty((batch, lead + rounds + 1, *frame_shape), dtype=np.uint8)
        actions = np.zeros((batch, rounds), dtype=np.int64)
        controls = np.full((batch, rounds, len(manifest.control_low)), np.nan, dtype=np.float32)
        world_events = np.zeros((batch, rounds), dtype=np.int64)
        rewards = np.zeros((batch, rounds), dtype=np.float32)
        terminated = np.zeros((batch, rounds), dtype=np.bool_)
        mask = np.zeros((batch, rounds), dtype=np.bool_)
        starts = self.starts(iteration)
        drawn = [starts[row] for row in self.rows]
        still = np.random.default_rng([self.seed, iteration, 1]).random(self.batch_size) < self.still_fraction
        still = still[self.rows]
        for row, (index, start) in enumerate(drawn):
            episode = self._decoded(index)
            num_steps = min(len(episode.actions) - start, rounds)
            steps = slice(start, start + num_steps)
            times = np.clip(np.arange(start - lead, start + rounds + 1), start if still[row] else 0, start + num_steps)
            observations[row] = episode.observations[times]
            actions[row, :num_steps] = episode.actions[steps]
            controls[row, :num_steps] = episode.controls[steps]
            world_events[row, :num_steps] = episode.world_events[steps]
            rewards[row, :num_steps] = episode.rewards[steps]
            terminated[row, :num_steps] = episode.terminated[steps]
            mask[row, :num_steps] = True
        return SegmentBatch(
            observations=observations,
            actions=actions,
            controls=controls,
            world_events=world_events,
            rewards=rewards,
            terminated=terminated,
            mask=mask,
        )

    def starts(self, iteration: int) -> list[tuple[int, int]]:
        """Returns the (episode, first step) of each segment of an iteration's batch.

        Raises:
            ValueError: when `iteration` is negative.
        """
        if iteration < 0:
            raise ValueError(f"iteration must be at least 0, got {iteration}")
        rng = np.random.default_rng([self.seed, iteration])
        by_event = rng.random(self.batch_size) < self.event_fraction
        uniform = rng.integers(self._first_starts[-1], size=self.batch_size)
        events = rng.integers(max(len(self._events), 1), size=self.batch_size)
        places = np.random.default_rng([self.seed, iteration, 2]).integers(self.num_rounds, size=self.batch_size)
        drawn = zip(by_event.tolist(), uniform.tolist(), events.tolist(), places.tolist(), strict=True)
        return [
            self._event_start(event, place) if by_event and len(self._events) else self._uniform_start(number)
            for by_event, number, event, place in drawn
        ]

    def _uniform_start(self, number: int) -> tuple[int, int]:
        index = int(np.searchsorted(self._first_starts, number, side="right")) - 1
        return index, number - int(self._first_starts[index])

    def _event_start(self, number: int, place: int) -> tuple[int, int]:
        """A segment with an event in round `place`: a world may also end in the first round that it knows of."""
        index, step = self._events[number].tolist()
        return index, max(step - place, 0)

    def _decoded(self, index: int) -> _DecodedEpisode:
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        episode, manifest = self.dataset[index], self.dataset.manifest
        controls = np.full((episode.num_steps, len(manifest.control_low)), np.nan, dtype=np.float32)
        if episode.controls is not None:
            controls = manifest.scaled(episode.controls)
        numeric = np.isfinite(controls).any(axis=1)
        texts = np.array([self._action_ids[text] for text in episode.actions], dtype=np.int64)
        events = [self._event_ids[text] for text in episode.world_events] or [0] * episode.num_steps
        decoded = _DecodedEpisode(
            observations=episode.observations,
            actions=np.where(numeric, 0, texts),
            controls=controls,
            world_events=np.array(events, dtype=np.int64),
            rewards=episode.rewards,
            terminated=episode.terminated,
        )
        self._cache[index] = decoded
        self._cached_bytes += decoded.num_bytes
        limit = self._limit(self._cached_bytes)
        while self._cached_bytes > limit and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].num_bytes
        return decoded
