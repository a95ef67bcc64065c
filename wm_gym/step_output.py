"""What a step of the world model returns beside the next state, and the watch that times its stages."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from jaxtyping import Bool, Float, UInt8
from torch import Tensor


@dataclass(frozen=True)
class StepOutput:
    """What a step returns beside the next state.

    Attributes:
        frames: the next chunk, uint8.
        reward: sum over the chunk.
        terminated: whether the episode ended.
        termination_probability: what `terminated` was thresholded from, at 0.5; or, with `sample_outcomes`, drawn from.
        uncertainty: largest root-mean-square difference of a latent cell between what the decoder drew and its
            re-encoded frames; 0 where the picture is one that the autoencoder knows.
        latencies: wall seconds spent in each stage, or in the whole "step" where it is compiled; on a GPU those of
            launching its kernels, which run on meanwhile.
    """

    frames: UInt8[Tensor, "batch frames height width 3"]
    reward: Float[Tensor, "batch"]
    terminated: Bool[Tensor, "batch"]
    termination_probability: Float[Tensor, "batch"]
    uncertainty: Float[Tensor, "batch"]
    latencies: Mapping[str, float]


class Stopwatch:
    """Seconds by stage of one step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time of the `with` block to `stage`."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
