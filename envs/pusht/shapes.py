"""The geometry of the PushT world: the T, its poses, and how much of the goal it covers.

Lengths are workspace pixels, x to the right and y down; angles are radians, clockwise on the screen. The T's own origin
is its centre of mass, and at angle 0 its stem points down.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Point = tuple[float, float]
Points = npt.NDArray[np.float64]

WORKSPACE = 512
WALL = 8  # thickness, inside the workspace
AGENT_RADIUS = 20.0
UNIT = 32.0  # thickness of bar and stem; the bar is 4 units long, the stem 3

_MASS_CENTRE = (4 * 0.5 + 3 * 2.5) / 7 * UNIT  # below the bar's outer edge
BAR = (-2 * UNIT, -_MASS_CENTRE, 2 * UNIT, UNIT - _MASS_CENTRE)  # left, top, right, bottom
STEM = (-0.5 * UNIT, UNIT - _MASS_CENTRE, 0.5 * UNIT, 4 * UNIT - _MASS_CENTRE)
T_AREA = 7 * UNIT**2
T_RADIUS = math.hypot(STEM[2], STEM[3])  # of the circle about the centre of mass that holds the T


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the block is.

    Attributes:
        centre: of mass.
        angle: any real number of radians.
    """

    centre: Point
    angle: float

    def place(self, points: Points) -> Points:
        """Points of the T, (count, 2), to the workspace."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]) + self.centre)

    def unplace(self, points: Points) -> Points:
        """Points of the workspace, (..., 2), to the T's own axes."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.asarray((points - self.centre) @ np.array([[cos, -sin], [sin, cos]]))


GOAL = Pose(centre=(WORKSPACE / 2, WORKSPACE / 2), angle=math.pi / 4)


def corners(rectangle: tuple[float, float, float, float]) -> Points:
    """The corners of a part of the T, (4, 2), clockwise on the screen."""
    left, top, right, bottom = rectangle
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


T_CORNERS = np.concatenate([corners(BAR), corners(STEM)])


def inside_t(points: Points) -> npt.NDArray[np.bool_]:
    """Which points (..., 2) of the T's own axes are in the T."""
    x, y = points[..., 0], points[..., 1]
    bar = (np.abs(x) <= BAR[2]) & (y >= BAR[1]) & (y <= BAR[3])
    return bar | ((np.abs(x) <= STEM[2]) & (y >= STEM[1]) & (y <= STEM[3]))


def distance_to_t(points: Points) -> Points:
    """How far points (..., 2) of the T's own axes are from the T; 0 inside."""
    return np.minimum(_distance(points, BAR), _distance(points, STEM))


def coverage(block: Pose) -> float:
    """The share of the goal that the T covers, 0 to 1."""
    parts = [[corners(part) for part in (BAR, STEM)] for _ in range(2)]
    pairs = [(block.place(mine), GOAL.place(theirs)) for mine in parts[0] for theirs in parts[1]]
    return min(1.0, sum(_common_area(first, second) for first, second in pairs) / T_AREA)


def _distance(points: Points, rectangle: tuple[float, float, float, float]) -> Points:
    left, top, right, bottom = rectangle
    beside = np.maximum(np.maximum(left - points[..., 0], points[..., 0] - right), 0.0)
    below = np.maximum(np.maximum(top - points[..., 1], points[..., 1] - bottom), 0.0)
    return np.hypot(beside, below)


def _common_area(first: Points, second: Points) -> float:
    """Area of the intersection of two convex polygons (Sutherland and Hodgman's clipping)."""
    polygon: list[Point] = [(float(x), float(y)) for x, y in first]
    edges = [(float(x), float(y)) for x, y in second]
    for start, end in zip(edges, edges[1:] + edges[:1], strict=True):
        polygon = _clip(polygon, start, end)
    turned = polygon[1:] + polygon[:1]
    return 0.5 * sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(polygon, turned, strict=True))


def _clip(polygon: list[Point], start: Point, end: Point) -> list[Point]:
    """The part of a polygon on the inner side of an edge."""

    def depth(point: Point) -> float:
        return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])

    kept: list[Point] = []
    for here, there in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        a, b = depth(here), depth(there)
        if a >= 0:
            kept.append(here)
        if (a >= 0) != (b >= 0):
            share = a / (a - b)
            kept.append((here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1])))
    return kept
