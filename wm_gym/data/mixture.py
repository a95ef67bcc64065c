"""A mixture of worlds: every batch holds the same number of segments of each."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wm_gym.data.dataset import Dataset
from wm_gym.data.manifest import DatasetError
from wm_gym.data.prefetch import Prefetch
from wm_gym.data.segments import SegmentBatch, SegmentSampler


@dataclass(frozen=True)
class Mixture:
    """Datasets of different worlds with one kind of frames.

    Attributes:
        datasets: one a world, at least one.

    Raises:
        DatasetError: frames of different shapes, or two datasets of one world.
    """

    datasets: tuple[Dataset, ...]

    def __post_init__(self) -> None:
        first = self.datasets[0]
        for other in self.datasets[1:]:
            for name in ("frame_size", "chunk_frames"):
                expected, found = getattr(first.manifest, name), getattr(other.manifest, name)
                if found != expected:
                    raise DatasetError(
                        f"{name} of {other.folder} must be {expected} as in {first.folder}, got {found}; "
                        "record them alike"
                    )
        names = [dataset.manifest.world for dataset in self.datasets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DatasetError(f"data must hold one dataset a world, got several of {', '.join(twice)}; choose one")

    @property
    def worlds(self) -> tuple[str, ...]:
        """The worlds' names, in the order of the datasets."""
        return tuple(dataset.manifest.world for dataset in self.datasets)

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.datasets[0].manifest.frame_size

    @property
    def chunk_frames(self) -> int:
        """Frames an observation."""
        return self.datasets[0].manifest.chunk_frames

    @property
    def max_controls(self) -> int:
        """Most numbers of a numeric action."""
        return max(len(dataset.manifest.control_low) for dataset in self.datasets)

    @cached_property
    def action_texts(self) -> tuple[str, ...]:
        """The distinct texts of all worlds, sorted; a batch holds indices into them."""
        return tuple(sorted({text for dataset in self.datasets for text in dataset.action_texts}))

    @cached_property
    def event_texts(self) -> tuple[str, ...]:
        """The distinct texts of all worlds' events, sorted, behind "" for nothing; a batch holds indices into them."""
        return tuple(sorted({text for dataset in self.datasets for text in dataset.event_texts}))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all data; of one dataset, its own."""
        prints = [dataset.fingerprint for dataset in self.datasets]
        return prints[0] if len(prints) == 1 else hashlib.sha256("\n".join(prints).encode()).hexdigest()


class MixtureSampler:
    """Draws batches with the same number of segments of every world, world after world.

    What `sample(iteration)` returns depends on the seed and the iteration alone. The batches of the next iterations are
    drawn meanwhile, by a background thread.
    """

    def __init__(
        self,
        mixture: Mixture,
        *,
        num_rounds: int,
        batch_size: int,
        seed: int = 0,
        event_fraction: float = 0.0,
        num_lead: int = 0,
        still_fraction: float = 0.0,
        cache_bytes: int = 9 * 10**9,
        shard: tuple[int, int] = (0, 1),
        num_ahead: int = 2,
    ) -> None:
        """See `SegmentSampler`.

        Args:
            mixture: where the segments come from.
            num_rounds: steps a segment.
            batch_size: segments a batch; a multiple of the number of worlds.
            seed: at least 0.
            event_fraction: share of segments drawn by their event.
            num_lead: observations before a segment's first.
            still_fraction: share of segments that begin at a still picture.
            cache_bytes: most RAM for decoded episodes, of all worlds together.
            shard: (i, n) gives the i-th of n equal parts of every batch.
            num_ahead: batches drawn in advance; 0 draws each when it is asked for, without a thread.

        Raises:
            ValueError: when a number is out of range.
        """
        if num_ahead < 0:
            raise ValueError(f"num_ahead must be at least 0, got {num_ahead}")
        num_worlds = len(mixture.datasets)
        if batch_size < 1 or batch_size % num_worlds:
            raise ValueError(f"batch_size must be a multiple of the {num_worlds} worlds, got {batch_size}")
        if batch_size % (num_worlds * shard[1]):
            least = num_worlds * shard[1]
            rule = f"a multiple of the {num_worlds} worlds times the {shard[1]} processes"
            raise ValueError(f"batch_size must be {rule}, got {batch_size}; choose {least} or a multiple of it")
        self.batch_size = batch_size
        self.mixture = mixture
        total = sum(dataset.num_steps for dataset in mixture.datasets)
        self.samplers = [
            SegmentSampler(
                dataset,
                num_rounds=num_rounds,
                batch_size=batch_size // num_worlds,
                seed=seed,
                event_fraction=event_fraction,
                num_lead=num_lead,
                still_fraction=still_fraction,
                cache_bytes=cache_bytes * dataset.num_steps // total,
                shard=shard,
            )
            for dataset in mixture.datasets
        ]
        share = batch_size // num_worlds
        self.rows = np.concatenate([world * share + each.rows for world, each in enumerate(self.samplers)])
        self._action_rows = [_rows_in(mixture.action_texts, dataset.action_texts) for dataset in mixture.datasets]
        self._event_rows = [_rows_in(mixture.event_texts, dataset.event_texts) for dataset in mixture.datasets]
        self._take: Callable[[int], SegmentBatch] = Prefetch(self._draw, num_ahead) if num_ahead else self._draw

    def sample(self, iteration: int) -> SegmentBatch:
        """Returns the batch of one iteration, or the shard of it: the rows `rows` of the whole batch.

        Raises:
            ValueError: when `iteration` is negative.
            DatasetError: when an episode's file is missing or corrupt.
        """
        return self._take(iteration)

    def _draw(self, iteration: int) -> SegmentBatch:
        batches = [sampler.sample(iteration) for sampler in self.samplers]
        actions = [rows[batch.actions] for rows, batch in zip(self._action_rows, batches, strict=True)]
        events = [rows[batch.world_events] for rows, batch in zip(self._event_rows, batches, strict=True)]
        widest = self.mixture.max_controls
        controls = [_widened(batch.controls, widest) for batch in batches]
        return SegmentBatch(
            observations=np.concatenate([batch.observations for batch in batches]),
            actions=np.concatenate(actions),
            controls=np.concatenate(controls),
            world_events=np.concatenate(events),
            rewards=np.concatenate([batch.rewards for batch in batches]),
            terminated=np.concatenate([batch.terminated for batch in batches]),
            mask=np.concatenate([batch.mask for batch in batches]),
        )


def open_mixture(folders: Sequence[object]) -> Mixture:
    """Opens one dataset a world.

    Raises:
        DatasetError: a folder is no whole dataset, or they do not go together.
    """
    if not folders:
        raise DatasetError("data must name at least one dataset folder, got none; record one with `wm-gym record`")
    return Mixture(tuple(Dataset.open(str(folder)) for folder in folders))


def _rows_in(texts: Sequence[str], part: Sequence[str]) -> np.ndarray:
    """Where each text of a part stands among all."""
    rows = {text: row for row, text in enumerate(texts)}
    return np.array([rows[text] for text in part])


def _widened(controls: np.ndarray, num_columns: int) -> np.ndarray:
    return np.pad(controls, ((0, 0), (0, 0), (0, num_columns - controls.shape[2])), constant_values=np.nan)
