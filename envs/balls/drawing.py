"""Pictures of the Balls world: discs with soft edges on an even ground."""

from collections.abc import Sequence

import numpy as np

from envs.balls.laws import WORLD_SIZE, Ball
from envs.twin import Frame

FRAME_SIZE = 64
PIXELS_PER_UNIT = FRAME_SIZE / WORLD_SIZE
GROUND = (24, 26, 34)
COLOURS = ((225, 70, 60), (70, 130, 230))
"""Of the first ball and the second."""

_MIDDLES = np.arange(FRAME_SIZE) + 0.5


def draw(balls: Sequence[Ball]) -> Frame:
    """The balls, later ones on top; uint8 (64, 64, 3)."""
    picture = np.full((FRAME_SIZE, FRAME_SIZE, 3), GROUND, np.float64)
    for ball, colour in zip(balls, COLOURS, strict=False):
        x, y = (PIXELS_PER_UNIT * each for each in ball.place)
        distances = np.hypot(_MIDDLES[None] - x, _MIDDLES[:, None] - y)
        covered = np.clip(PIXELS_PER_UNIT * ball.radius - distances + 0.5, 0.0, 1.0)[..., None]
        picture = covered * np.array(colour) + (1 - covered) * picture
    return np.rint(picture).astype(np.uint8)
