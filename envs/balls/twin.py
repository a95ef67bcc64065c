"""The real twin of the Balls world: balls under known laws, so that what a world model learned of them can be measured.

Each episode follows one law. Its first `FREE_STEPS` steps touch no wall; then the box's elastic walls keep it going.
There are no rewards, and no episode terminates.
"""

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from envs.balls.actions import ACTIONS, PUSHES
from envs.balls.drawing import PIXELS_PER_UNIT, draw
from envs.balls.laws import FREE_STEPS, LAWS, PUSH, SPEEDS, STEP_SECONDS, Balls, advance, draw_start, gravity_of
from envs.balls.reader import read_state
from envs.twin import Controls, Frame, Simulator, Twin

TOLERANCE = 1.0  # pixels within which two places match


class BallsSimulator(Simulator):
    """The simulator.

    Attributes:
        laws: names of the laws that `law` may be.
        speed_ranges: names of the ranges that `speeds` may be; starts of recordings are all "trained".
        free_steps: steps from a start in which no wall is touched.
        law: the law of the next episodes; None draws one at each reset.
        speeds: their range of speeds.
        balls: where they are and how they move.
    """

    world: ClassVar[str] = "balls"
    render_fps: ClassVar[int] = round(1 / STEP_SECONDS)
    actions = ACTIONS
    visible_actions: ClassVar[tuple[str, ...]] = tuple(name for name in PUSHES if name != ACTIONS.idle)
    probe_steps: ClassVar[int] = 4
    laws: ClassVar[tuple[str, ...]] = LAWS
    speed_ranges: ClassVar[tuple[str, ...]] = tuple(SPEEDS)
    free_steps: ClassVar[int] = FREE_STEPS

    def __init__(self, law: str | None = None, speeds: str = "trained") -> None:
        """Builds an empty box; `reset` throws balls into it.

        Raises:
            ValueError: There is no such law or range of speeds.
        """
        for name, value, choices in (("law", law, (None, *LAWS)), ("speeds", speeds, tuple(SPEEDS))):
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}; pick one")
        self.law, self.speeds = law, speeds
        self.balls: Balls = ()
        self._gravity = 0.0

    def reset(self, rng: np.random.Generator, split: str) -> dict[str, str]:
        """Draw a law, unless `law` names it, and a start."""
        law = self.law or str(rng.choice(LAWS))
        self.balls = draw_start(law, self.speeds, split, rng)
        self._gravity = gravity_of(law)
        return {"law": law}

    def step(self, action: int | Controls) -> tuple[float, bool]:
        """Push the red ball, then let a step of 0.1 s go by."""
        assert isinstance(action, int | np.integer), "the world takes no numbers"
        (x, y), first = PUSHES[ACTIONS.names[int(action)]], self.balls[0]
        velocity = (first.velocity[0] + PUSH * x, first.velocity[1] + PUSH * y)
        self.balls, _, _ = advance((replace(first, velocity=velocity), *self.balls[1:]), self._gravity)
        return 0.0, False

    def frame(self) -> Frame:
        """The box from the side."""
        return draw(self.balls)

    def clone(self) -> tuple[Balls, float]:
        """The balls, which nothing changes, and what pulls them."""
        return self.balls, self._gravity

    def restore(self, saved: tuple[Balls, float]) -> None:
        """Go back to a state of `clone`."""
        self.balls, self._gravity = saved

    def state(self) -> dict[str, Any]:
        """The places in pixels of a frame, x to the right and y down; None for a ball that the episode lacks."""
        places = [[PIXELS_PER_UNIT * each for each in ball.place] for ball in self.balls]
        return {"first": places[0], "second": places[1] if len(places) == 2 else None}


class BallsTwin(Twin):
    """Balls behind texts or numbered actions; `law` and `speeds` are options of its simulator."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": BallsSimulator.render_fps}
    simulator_class = BallsSimulator
    simulator: BallsSimulator

    def state(self) -> dict[str, Any]:
        """The true state: see `BallsSimulator.state`."""
        return self.simulator.state()

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame shows: see `envs.balls.reader`."""
        return read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` could follow from `start`: as many balls, each of them whole."""
        return all((state[name] is None) == (start[name] is None) for name in start)

    def match_state(self, state: dict[str, Any], true_state: dict[str, Any]) -> dict[str, bool]:
        """For each ball whether it is where it truly is, within a pixel."""
        return {name: _is_there(state[name], true) for name, true in true_state.items()}


def _is_there(place: list[float] | None, true: list[float] | None) -> bool:
    if place is None or true is None:
        return place is true
    return math.dist(place, true) <= TOLERANCE
