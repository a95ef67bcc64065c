"""What a person sees of a training: a progress bar and TensorBoard curves."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from torch import Tensor
from tqdm import tqdm

from wm_gym.training.pictures import Picture
from wm_gym.training.training_checkpoint import TrainingError


class TrainingLog:
    """Means of the metrics over every `log_every` iterations, on a progress bar and under `folder`.

    The TensorBoard axis counts iterations done. On a resume, points beyond `start` are purged. Without a folder no
    curves are written.

    Attributes:
        means: the last means that were logged, by metric.
    """

    def __init__(self, folder: Path | None, *, start: int, num_iterations: int, log_every: int, progress: bool) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise TrainingError('tensorboard must be installed to train; pip install "wm-gym[train]"') from error
        self.means: dict[str, float] = {}
        self._folder = folder
        self._log_every = log_every
        self._sums: dict[str, Tensor | float] = {}
        self._count = 0
        try:
            self._writer = None if folder is None else SummaryWriter(str(folder), purge_step=start + 1)
        except OSError as error:
            raise self._refused(error) from error
        self._bar = tqdm(initial=start, total=num_iterations, disable=not progress, desc="train", unit="it")

    def add(self, iteration: int, metrics: Mapping[str, Tensor | float]) -> None:
        """Count one iteration; `iteration` is the number done so far, this one included.

        Raises:
            TrainingError: when the disk refuses the curves.
        """
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        self._bar.update()
        if iteration % self._log_every == 0:
            self.flush(iteration)

    def flush(self, iteration: int) -> None:
        """Write the means since the last flush, if there were iterations."""
        if not self._count:
            return
        self.means = {name: float(total) / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in self.means.items()})
        try:
            if self._writer is not None:
                for name, value in self.means.items():
                    self._writer.add_scalar(name, value, iteration)
        except OSError as error:
            raise self._refused(error) from error

    def show(self, iteration: int, pictures: Mapping[str, Picture]) -> None:
        """Write pictures by their titles.

        Raises:
            TrainingError: when the disk refuses.
        """
        try:
            if self._writer is not None:
                for title, picture in pictures.items():
                    self._writer.add_image(title, picture, iteration, dataformats="HWC")
        except OSError as error:
            raise self._refused(error) from error

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        try:
            if self._writer:
                self._writer.close()
        except OSError as refused:
            if error is None:
                raise self._refused(refused) from refused

    def _refused(self, error: OSError) -> TrainingError:
        return TrainingError(
            f"the logs must fit on the disk under {self._folder}, got: {error}; "
            "make room and run the same command again"
        )
