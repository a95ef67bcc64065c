"""Which imagined moments are new: frames as words of patches, equal words as one state, rare patches as news.

A learned world paints the same room with a grey level more or less, so patches are compared with a tolerance. How rare
a moment's rarest patch is among all that a search has seen is the novelty of width-based search (Lipovetzky & Geffner,
IW, ECAI 2012; on pixels: Bandres et al., AAAI 2018), with counts in place of sets.
"""

import math

import numpy as np
from jaxtyping import Float32, Int64, UInt8

Frames = UInt8[np.ndarray, "batch height width 3"]
Codes = Int64[np.ndarray, "batch patches"]


class PatchCodes:
    """Numbers patches by what they show: two within the tolerance of the same first sight have the same number.

    Args:
        patch: pixels a side.
        tolerance: root mean square over a patch, in grey levels.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, patch: int = 8, tolerance: float = 10.0) -> None:
        if not patch >= 1:
            raise ValueError(f"patch must be at least 1 pixel, got {patch}")
        if not 0 <= tolerance < math.inf:
            raise ValueError(f"tolerance must be at least 0 grey levels and finite, got {tolerance}")
        self._patch = patch
        self._tolerance = tolerance
        self._sights = np.zeros((0, 3 * patch * patch), np.float32)

    def encode(self, frames: Frames) -> Codes:
        """A number for every patch, row by row; patches at the right and lower edge are filled up."""
        patches = self._cut(frames)
        codes = np.full(len(patches), -1)
        self._match(patches, codes, np.arange(len(self._sights)))
        while len(unknown := np.flatnonzero(codes < 0)):
            self._sights = np.concatenate([self._sights, patches[unknown[:1]]])
            self._match(patches, codes, np.array([len(self._sights) - 1]))
            codes[unknown[0]] = len(self._sights) - 1
        return codes.reshape(len(frames), -1)

    def _cut(self, frames: Frames) -> Float32[np.ndarray, "patches values"]:
        side = self._patch
        bottom, right = (-size % side for size in frames.shape[1:3])
        padded = np.pad(frames, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="edge")
        rows, columns = padded.shape[1] // side, padded.shape[2] // side
        cut = padded.reshape(len(frames), rows, side, columns, side, 3).swapaxes(2, 3)
        return cut.reshape(-1, 3 * side * side).astype(np.float32)

    def _match(self, patches: np.ndarray, codes: np.ndarray, numbers: np.ndarray) -> None:
        """Give patches without a number that of the nearest of these sights, if it is near enough."""
        open_rows = np.flatnonzero(codes < 0)
        if not len(numbers) or not len(open_rows):
            return
        those, sights = patches[open_rows], self._sights[numbers]
        squares = (those**2).sum(1)[:, None] + (sights**2).sum(1) - 2 * those @ sights.T
        nearest = squares.argmin(axis=1)
        near = squares[np.arange(len(those)), nearest] <= self._tolerance**2 * those.shape[1]
        codes[open_rows[near]] = numbers[nearest[near]]


class Novelty:
    """Which codes have been seen, and how often each patch has shown what."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._counts: dict[tuple[int, int], int] = {}

    def add(self, codes: Codes) -> list[bool]:
        """Which rows are states never seen before; those are counted."""
        return [self._add(row) for row in codes]

    def _add(self, row: np.ndarray) -> bool:
        key = row.tobytes()
        if key in self._seen:
            return False
        self._seen.add(key)
        for patch in enumerate(row.tolist()):
            self._counts[patch] = self._counts.get(patch, 0) + 1
        return True

    def of(self, row: Int64[np.ndarray, " patches"]) -> float:
        """1 / how many states show the rarest patch of this one, in (0, 1]."""
        return 1 / min(self._counts[patch] for patch in enumerate(row.tolist()))
