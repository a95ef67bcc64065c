"""What a step of the world model returns beside the next state."""

from collections.abc import Mapping
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
        latencies: wall seconds spent in each stage; on a GPU those of launching its kernels, which run on meanwhile.
    """

    frames: UInt8[Tensor, "batch frames height width 3"]
    reward: Float[Tensor, "batch"]
    terminated: Bool[Tensor, "batch"]
    termination_probability: Float[Tensor, "batch"]
    uncertainty: Float[Tensor, "batch"]
    latencies: Mapping[str, float]
