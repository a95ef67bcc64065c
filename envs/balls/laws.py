"""The laws of the Balls world, after "How Far is Video Generation from World Model" (Kang et al., 2024, 2411.02385).

Uniform motion, a throw under gravity, and the elastic collision of two balls, in a box of 10 by 10 units with elastic
walls. Speeds and their ranges are that paper's: 1 to 4 units a second are trained, slower and faster ones are not.
"""

from dataclasses import dataclass, replace

import numpy as np

WORLD_SIZE = 10.0  # units a side
STEP_SECONDS = 0.1
FREE_STEPS = 10  # from the start, in which no wall is touched
GRAVITY = 9.8  # units a second squared, downwards
PUSH = 1.0  # units a second that a push adds
LAWS = ("uniform", "parabola", "collision")
SPEEDS = {"trained": (1.0, 4.0), "slower": (0.1, 0.8), "faster": (4.5, 6.0)}
"""Range -> smallest and largest speed of a start, units a second."""

_RADII = (0.7, 1.2)  # units
_TICKS = 10  # of the simulator in a step
_MEETS = (3, 7)  # the steps in which a collision's balls meet


@dataclass(frozen=True, kw_only=True)
class Ball:
    """A ball: `place` and `velocity` in units and units a second, x to the right and y down; its mass is its area."""

    place: tuple[float, float]
    velocity: tuple[float, float]
    radius: float


Balls = tuple[Ball, ...]


def advance(balls: Balls, gravity: float) -> tuple[Balls, bool, bool]:
    """One step: the balls after it, whether any touched a wall, and whether two touched each other."""
    dt = STEP_SECONDS / _TICKS
    places = np.array([ball.place for ball in balls])
    velocities = np.array([ball.velocity for ball in balls])
    radii = np.array([ball.radius for ball in balls])[:, None]
    pull = np.array([0.0, gravity])
    walls = meets = False
    for _ in range(_TICKS):
        places = places + velocities * dt + 0.5 * pull * dt**2
        velocities = velocities + pull * dt
        outward = ((places < radii) & (velocities < 0)) | ((places > WORLD_SIZE - radii) & (velocities > 0))
        velocities = np.where(outward, -velocities, velocities)
        walls = walls or bool(outward.any())
        if len(balls) == 2 and _approach(places, velocities, radii):
            velocities = _collide(places, velocities, radii)
            meets = True
    moved = [
        replace(ball, place=(float(x), float(y)), velocity=(float(u), float(v)))
        for ball, (x, y), (u, v) in zip(balls, places, velocities, strict=True)
    ]
    return tuple(moved), walls, meets


def draw_start(law: str, speeds: str, split: str, rng: np.random.Generator) -> Balls:
    """Draws balls of a law and a range of speeds until no wall is in their way and, of two, they meet in time.

    A start belongs to the test split where the hundredths of its first radius are a multiple of five.
    """
    while True:
        balls = _draw(law, SPEEDS[speeds], rng)
        is_test = int(balls[0].radius * 100) % 5 == 0
        if is_test == (split == "test") and _is_free(balls, law):
            return balls


def gravity_of(law: str) -> float:
    """What pulls in a law."""
    return GRAVITY if law == "parabola" else 0.0


def _draw(law: str, speeds: tuple[float, float], rng: np.random.Generator) -> Balls:
    radius, speed = float(rng.uniform(*_RADII)), float(rng.uniform(*speeds))
    place = [float(each) for each in rng.uniform(radius, WORLD_SIZE - radius, 2)]
    side = 1.0 if rng.random() < 0.5 else -1.0
    if law == "parabola":
        return (Ball(place=(place[0], radius + 0.05), velocity=(side * speed, 0.0), radius=radius),)
    if law == "uniform":
        velocity = (side * speed, 0.0) if rng.random() < 0.5 else (0.0, side * speed)
        return (Ball(place=(place[0], place[1]), velocity=velocity, radius=radius),)
    other_radius, other_speed = float(rng.uniform(*_RADII)), float(rng.uniform(*speeds))
    seconds = STEP_SECONDS * float(rng.uniform(*_MEETS))
    first = (float(rng.uniform(0.3, 0.7)) * WORLD_SIZE - side * (radius + speed * seconds), place[1])
    other = (first[0] + side * (radius + other_radius + (speed + other_speed) * seconds), place[1])
    return (
        Ball(place=first, velocity=(side * speed, 0.0), radius=radius),
        Ball(place=other, velocity=(-side * other_speed, 0.0), radius=other_radius),
    )


def _is_free(balls: Balls, law: str) -> bool:
    if any(not ball.radius <= each <= WORLD_SIZE - ball.radius for ball in balls for each in ball.place):
        return False
    met = False
    for _ in range(FREE_STEPS):
        balls, walls, meets = advance(balls, gravity_of(law))
        met = met or meets
        if walls:
            return False
    return met == (law == "collision")


def _approach(places: np.ndarray, velocities: np.ndarray, radii: np.ndarray) -> bool:
    offset = places[1] - places[0]
    return bool(np.hypot(*offset) < radii.sum() and offset @ (velocities[1] - velocities[0]) < 0)


def _collide(places: np.ndarray, velocities: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Elastic: momentum and energy are kept, along the line between the centres."""
    normal = (places[1] - places[0]) / np.hypot(*(places[1] - places[0]))
    masses = radii[:, 0] ** 2
    impulse = 2 * masses.prod() / masses.sum() * ((velocities[1] - velocities[0]) @ normal)
    return np.asarray(velocities + np.outer([impulse / masses[0], -impulse / masses[1]], normal))
