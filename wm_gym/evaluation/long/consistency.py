"""Simulation consistency: does a world stay the same world, round after round, while things happen in it?

WR-Arena scores each of ten rounds by WorldScore's static aspects with closed or heavy models, and PAN weighs later
rounds more without saying how much. This is an open form with two of these aspects and the twin's own word:

- photometric: how much of each frame the optical flow to the next one explains (WorldScore: the flow's own error),
- style: how alike the second moments of colours and edges are to the start's (WorldScore: Gram matrices of VGG),
- validity: the share of frames that the twin calls possible, where there is a reader.

A round's score is their product, since a world that fails one of them is not the same world, times the motion as a
share of real motion and at most 1: a frozen world is consistent with nothing. Round r of R weighs r: late failures cost
most. The order of frames is seen where flow is, by the photometric part; where things jump from cell to cell it is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from wm_gym.evaluation.long.descriptors import gradients
from wm_gym.evaluation.long.optical_flow import Flows, unexplained

Frames = UInt8[np.ndarray, "time height width 3"]

_EDGE_WEIGHT = 4.0  # edges are an order of magnitude fainter than colours


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """The score of one round.

    Attributes:
        photometric: In [0, 1].
        style: In [0, 1].
        validity: In [0, 1]; None where nobody can say.
        liveliness: Motion as a share of real motion, at most 1.
    """

    photometric: float
    style: float
    validity: float | None
    liveliness: float

    @property
    def score(self) -> float:
        """The product, in [0, 1]."""
        return self.photometric * self.style * self.liveliness * (1.0 if self.validity is None else self.validity)


def simulation_consistency(
    frames: Frames,
    flows: Flows,
    start: UInt8[np.ndarray, "height width 3"],
    *,
    liveliness: float,
    validity: float | None = None,
) -> Consistency:
    """Scores one round.

    Args:
        frames: The round's, at least two.
        flows: Between them.
        start: The frame that the world began with.
        liveliness: The motion of such rounds as a share of real motion, cut at 1; 1 where nothing moves in reality.
        validity: The share of the frames that are valid states; None where nobody can say.
    """
    return Consistency(
        photometric=photometric_consistency(frames, flows),
        style=style_consistency(frames, start),
        validity=validity,
        liveliness=min(1.0, liveliness),
    )


def progressive_mean(scores: Sequence[float]) -> float:
    """The mean over rounds 1..R in which round r weighs r."""
    return float(np.average(scores, weights=np.arange(1, len(scores) + 1)))


def photometric_consistency(frames: Frames, flows: Flows) -> float:
    """1 - the light that motion leaves unexplained / the light's mean deviation in a frame, in [0, 1]."""
    errors = unexplained(frames, flows)
    light = frames.astype(np.float32).mean(-1) / 255
    contrast = np.abs(light - light.mean(axis=(1, 2), keepdims=True)).mean(axis=(1, 2))[:-1]
    return float(np.clip(1 - errors / np.maximum(contrast, 1e-3), 0, 1).mean())


def style_consistency(frames: Frames, start: UInt8[np.ndarray, "height width 3"]) -> float:
    """1 - |G - G0| / (|G| + |G0|) for the Gram matrices of frames and start, mean over the frames, in [0, 1]."""
    own, first = _gram(frames), _gram(start[None])
    norms = np.linalg.norm(own, axis=(1, 2)) + np.linalg.norm(first)
    return float((1 - np.linalg.norm(own - first, axis=(1, 2)) / np.maximum(norms, 1e-6)).mean())


def _gram(frames: Frames) -> Float[np.ndarray, "time channel channel"]:
    """Mean products of the colours and the strengths of edges."""
    colours = frames.astype(np.float32) / 255
    down, right = gradients(colours.mean(-1))
    edges = _EDGE_WEIGHT * np.stack([np.abs(down), np.abs(right)], axis=-1)
    maps = np.concatenate([colours, edges], axis=-1).reshape(len(frames), -1, 5)
    return np.asarray(np.einsum("tpc,tpd->tcd", maps, maps) / maps.shape[1], dtype=np.float32)
