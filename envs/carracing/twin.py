"""The real twin of the CarRacing world: Gymnasium's CarRacing-v3, four ticks a step, seen small.

An episode begins with the camera at its place behind the car, anywhere on a track that is the seed's own.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from envs.carracing.actions import ACTIONS, CONTROLS
from envs.carracing.painter import Painter
from envs.carracing.panel import draw_panel, read_panel, true_levels
from envs.carracing.race import Race
from envs.twin import Controls, Frame, Simulator, Twin

TICKS_PER_STEP = 4
"""Ticks of a fiftieth of a second that an action is held."""

TRACK_SEEDS = {"train": (0, 1_000_000), "test": (1_000_000, 2_000_000)}
"""The first track seed of a split, and the first that is beyond it."""

SavedRace: TypeAlias = tuple[int, npt.NDArray[np.float32]]
"""The seed of a track and the numbers (steps, 3) of all steps so far."""


class CarRacing(Simulator):
    """A race against the clock, on a track that is new in every episode.

    Box2D hides what its joints remember, so a clone is the race's seed and actions, and `restore` drives them again:
    exact, and for a whole episode it takes about as long as fifty steps with their frames.

    Attributes:
        race: Gymnasium's race, which policies may look at.
    """

    world = "carracing"
    render_fps = 12  # 12.5 in truth
    actions = ACTIONS
    visible_actions = tuple(name for name in ACTIONS.names if name != ACTIONS.idle)
    probe_steps = 2

    def __init__(self) -> None:
        """Make the physics; `reset` builds a track."""
        self.race = Race()
        self._painter: Painter | None = None
        self._seed: int | None = None
        self._history: list[Controls] = []

    @property
    def num_steps(self) -> int:
        """How many steps the episode has run."""
        return len(self._history)

    def reset(self, rng: np.random.Generator, split: str) -> dict[str, str]:
        """Begin on a track of the split; the fact is the track's seed."""
        seed = int(rng.integers(*TRACK_SEEDS[split]))
        self._begin(seed)
        return {"track": str(seed)}

    def step(self, action: int | Controls) -> tuple[float, bool]:
        """Hold the action for four ticks, fewer when the race ends; the reward is theirs, summed.

        Gymnasium gives 1,000 over the number of the track's tiles for each new one, -0.1 a tick, and -100 for leaving
        the field, which ends the episode.
        """
        controls = action if isinstance(action, np.ndarray) else CONTROLS[self.actions.names[action]]
        numbers = np.array(controls, np.float32)
        self._history.append(numbers)
        total = 0.0
        for _ in range(TICKS_PER_STEP):
            _, reward, terminated, _, _ = self.race.step(numbers)
            total += float(reward)
            if terminated:
                return total, True
        return total, False

    def frame(self) -> Frame:
        """The view over the panel, uint8 (64, 64, 3)."""
        assert self._painter is not None, "frame() before reset()"
        frame = self._painter.paint()
        draw_panel(frame, self.race)
        return frame

    def state(self) -> dict[str, Any]:
        """The levels that the panel shows: see `envs.carracing.panel`."""
        return true_levels(self.race)

    def clone(self) -> SavedRace | None:
        """The seed and the actions so far; None before the first reset."""
        if self._seed is None:
            return None
        return self._seed, np.array(self._history, np.float32).reshape(-1, 3)

    def restore(self, saved: SavedRace | None) -> None:
        """Drive a race of `clone` again, up to where it was."""
        if saved is None:
            self._seed, self._painter, self._history = None, None, []
            return
        seed, history = saved
        self._begin(seed)
        for controls in history:
            self.step(controls)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.clone(),)

    def _begin(self, seed: int) -> None:
        self.race.reset(seed=seed)
        self._painter = Painter(self.race)
        self._seed = seed
        self._history = []


def _restored(saved: SavedRace | None) -> CarRacing:
    """A simulator of its own in the state of a clone: what pickle makes."""
    simulator = CarRacing()
    simulator.restore(saved)
    return simulator


class CarRacingTwin(Twin):
    """CarRacing behind texts, numbered actions or numbers (steering, gas, brake)."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": CarRacing.render_fps}
    simulator_class = CarRacing
    simulator: CarRacing

    def state(self) -> dict[str, Any]:
        """The true state, in the keys of `read_state`."""
        return self.simulator.state()

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows, read from its pixels only: see `envs.carracing.panel`."""
        return read_panel(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` could follow from `start`: the bars of the panel are whole."""
        return all(level is not None for level in state.values())
