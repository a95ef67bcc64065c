"""The physics of the PushT world: a round pusher, a T that slides with so much drag that it never coasts, four walls.

As in PushT of Diffusion Policy (Chi et al., 2023) there are 512 pixels, 10 steps a second and a PD controller that
leads the pusher to a target. Unlike there, the pusher comes to rest in every step, so that a state is five numbers,
each step a pure function of it, and nothing hidden from a picture; and it is a dynamic body, so that walls stop it and
a block between them is not crushed.
"""

from dataclasses import dataclass

import gymnasium as gym

try:
    import pymunk
except ImportError as error:
    raise gym.error.DependencyNotInstalled(
        f'the real PushT twin must find the package pymunk, got {error}; run `pip install "wm-gym[pusht]"`'
    ) from error

from envs.pusht.shapes import AGENT_RADIUS, BAR, STEM, WALL, WORKSPACE, Point, Pose, corners

STEP_SECONDS = 0.1
TICKS = 20  # the solver's steps in one of ours
_FREQUENCY = 70.0  # of the critically damped controller, 1/s: 0.7 % of a displacement is left after a step
_AGENT_MASS, _BLOCK_MASS = 10.0, 1.0
_FRICTION = 0.6  # of each surface; a pair has the product
_ITERATIONS = 30
_OVERLAP_LEFT = 0.1**60  # of an overlap, after a second: half of it goes in a tick


@dataclass(frozen=True, kw_only=True)
class WorldPoses:
    """All there is to know of the world between two steps.

    Attributes:
        agent: the pusher's centre.
        block: the T's pose.
    """

    agent: Point
    block: Pose


def advance(poses: WorldPoses, displacement: Point) -> WorldPoses:
    """One step: the pusher goes for a point `displacement` pixels off, and the T gives way."""
    space, agent, block = _build(poses)
    dt = STEP_SECONDS / TICKS
    stiffness, drag, push = _FREQUENCY**2 * dt, 1 - 2 * _FREQUENCY * dt, _AGENT_MASS / dt
    x, y = agent.position
    goal_x, goal_y = x + displacement[0], y + displacement[1]
    for _ in range(TICKS):
        speed_x, speed_y = agent.velocity
        agent.force = (
            push * (stiffness * (goal_x - x) + drag * speed_x),
            push * (stiffness * (goal_y - y) + drag * speed_y),
        )
        space.step(dt)
        x, y = agent.position
    centre_x, centre_y = block.position
    return WorldPoses(agent=(x, y), block=Pose(centre=(centre_x, centre_y), angle=block.angle))


def _build(poses: WorldPoses) -> tuple[pymunk.Space, pymunk.Body, pymunk.Body]:
    """A space at rest; the damping takes all velocity in each tick, so a force sets the velocity of the next."""
    space = pymunk.Space()
    space.damping = 0.0
    space.iterations = _ITERATIONS
    space.collision_bias = _OVERLAP_LEFT
    rim = [(0.0, 0.0), (WORKSPACE, 0.0), (WORKSPACE, WORKSPACE), (0.0, WORKSPACE)]
    walls: list[pymunk.Shape] = [
        pymunk.Segment(space.static_body, start, end, WALL) for start, end in zip(rim, rim[1:] + rim[:1], strict=True)
    ]
    agent = pymunk.Body(_AGENT_MASS, float("inf"))
    agent.position = poses.agent
    agent_shape = pymunk.Circle(agent, AGENT_RADIUS)
    parts = [[(float(x), float(y)) for x, y in corners(part)] for part in (BAR, STEM)]
    shares = (4 / 7, 3 / 7)
    block = pymunk.Body(
        _BLOCK_MASS, sum(pymunk.moment_for_poly(_BLOCK_MASS * m, part) for m, part in zip(shares, parts, strict=True))
    )
    block.position = poses.block.centre
    block.angle = poses.block.angle
    block_shapes = [pymunk.Poly(block, part) for part in parts]
    for shape in (*walls, agent_shape, *block_shapes):
        shape.friction = _FRICTION
    space.add(agent, agent_shape, block, *block_shapes, *walls)
    return space, agent, block
