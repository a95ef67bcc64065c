"""Batches drawn by a background thread while the one before them trains.

A thread and not a process: reading, checksums and inflating let go of Python's lock, and decoded episodes stay in one
memory. What is drawn for an iteration does not depend on when it is drawn, so a training with prefetch equals one
without, and a resume needs to know nothing of it.
"""

import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Prefetch(Generic[Batch]):
    """Calls `draw(iteration)` in one background thread, for the iterations that are likely to be asked for next.

    The thread starts with the first call. Once the object is collected it ends after the batch that it is at; at
    Python's end it first finishes what is queued. All calls of `draw` are made by it, one after the other.
    """

    def __init__(self, draw: Callable[[int], Batch], num_ahead: int) -> None:
        """Prepares; nothing is drawn yet.

        Args:
            draw: the batch of an iteration.
            num_ahead: batches that are held or being drawn beside the one that was asked for, at least 1.

        Raises:
            ValueError: `num_ahead` is below 1.
        """
        if num_ahead < 1:
            raise ValueError(f"num_ahead must be at least 1, got {num_ahead}")
        self._draw = draw
        self._num_ahead = num_ahead
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._drawn: dict[int, Future[Batch]] = {}
        weakref.finalize(self, self._executor.shutdown, wait=False, cancel_futures=True)

    def __call__(self, iteration: int) -> Batch:
        """Returns `draw(iteration)`; what it raises is raised here, and only for the iteration that it belongs to."""
        wanted = range(iteration, iteration + 1 + self._num_ahead)
        for number in self._drawn.keys() - set(wanted):
            self._drawn.pop(number).cancel()
        for number in wanted:
            if number not in self._drawn:
                self._drawn[number] = self._executor.submit(self._draw, number)
        return self._drawn.pop(iteration).result()
