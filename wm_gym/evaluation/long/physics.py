"""Laws of motion: the velocities of things in a dream against those in the real world, in and out of trained speeds.

After Kang et al., "How Far is Video Generation from World Model" (2024, 2411.02385), who read the places of balls off
frames and compare velocities. Theirs leaves balls that are lost out; here a lost one counts as one that stands still.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from wm_gym.evaluation.twin import RealTwin, State

CLIP_FRAMES = 3
"""Frames that a dream is shown first, as in the paper: one frame tells no velocity."""


@runtime_checkable
class LawfulSimulator(Protocol):
    """A simulator whose episodes each follow one known law.

    Attributes:
        laws: Names of the laws.
        speed_ranges: Names of ranges of speeds; "trained" is what recordings have.
        free_steps: Steps from a start in which nothing but the law acts.
        law: The law of the next episodes; None is any.
        speeds: Their range of speeds.
    """

    laws: tuple[str, ...]
    speed_ranges: tuple[str, ...]
    free_steps: int
    law: str | None
    speeds: str


@dataclass(frozen=True, kw_only=True)
class VelocityError:
    """How wrong velocities are.

    Attributes:
        error: Mean length of the difference to the real velocity, pixels a step.
        speed: Mean real speed, pixels a step.
        lost: Share of the things that were not found in two frames in a row; their error is their real speed.
        n: Velocities compared.
    """

    error: float
    speed: float
    lost: float
    n: int

    @property
    def relative(self) -> float:
        """The error as a share of the speed: 0 is right, 1 is what standing still scores."""
        return self.error / self.speed if self.speed else 0.0

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return asdict(self) | {"relative": self.relative}


def read_places(twin: RealTwin, frames: UInt8[np.ndarray, "time height width 3"]) -> Float[np.ndarray, "time things 2"]:
    """Where things are in each frame, x and y in pixels; NaN for one that is not there."""
    return places_of([twin.read_state(frame) for frame in frames])


def places_of(states: Sequence[State]) -> Float[np.ndarray, "time things 2"]:
    """The places that states hold, a thing a factor; NaN for one that is None."""
    rows = [[(np.nan, np.nan) if place is None else place for place in state.values()] for state in states]
    return np.asarray(rows, dtype=np.float64)


def velocities(places: Float[np.ndarray, "time things 2"]) -> Float[np.ndarray, "time-1 things 2"]:
    """Pixels a step."""
    return np.diff(places, axis=0)


def velocity_error(
    places: Float[np.ndarray, "worlds time things 2"], real_places: Float[np.ndarray, "worlds time things 2"]
) -> VelocityError:
    """Compares velocities read off frames with those read off real frames.

    Args:
        places: Read off the dream's frames.
        real_places: Read off the twin's; only things that are found in these count.
    """
    own, real = np.diff(places, axis=1), np.diff(real_places, axis=1)
    there = np.isfinite(real).all(-1)
    own, real = own[there], real[there]
    if not len(real):
        return VelocityError(error=0.0, speed=0.0, lost=0.0, n=0)
    lost = np.isnan(own).any(axis=-1, keepdims=True)
    errors = np.linalg.norm(np.where(lost, 0.0, own) - real, axis=-1)
    speed = float(np.linalg.norm(real, axis=-1).mean())
    return VelocityError(error=float(errors.mean()), speed=speed, lost=float(lost.mean()), n=len(real))
