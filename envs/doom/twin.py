"""Two worlds on ViZDoom: TakeCover, where fireballs must be dodged, and MyWayHome, a small maze with a vest at its end.

Scenarios, rewards and physics are ViZDoom's own. A step is four ticks (of 1/35 s), as is usual. A terminated episode
ends with the last picture that the engine draws, one tick before it is over.
"""

import contextlib
import os
import shutil
import tempfile
import weakref
from abc import abstractmethod
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from PIL import Image

try:
    import vizdoom as vzd
except ImportError as error:
    raise gym.error.DependencyNotInstalled(
        f'the real Doom twins must find the package vizdoom, got {error}; run `pip install "wm-gym[doom]"`'
    ) from error

from envs.doom import my_way_home_actions as doom_my_way_home_actions
from envs.doom import reader as doom_reader
from envs.doom import take_cover_actions as doom_take_cover_actions
from envs.doom.reader import draw_health
from envs.twin import SPLITS, Controls, Frame, Simulator, Twin

TICKS_PER_STEP = 4
_POSE = (vzd.GameVariable.POSITION_X, vzd.GameVariable.POSITION_Y, vzd.GameVariable.ANGLE)


class Doom(Simulator):
    """A scenario of ViZDoom, headless.

    Episodes are a function of the engine's seed and the actions, so a clone is both, and `restore` replays them: about
    a millisecond and a quarter of a millisecond a step.

    Attributes:
        scenario: name of its configuration file.
        buttons: what each action presses, by number; the last action presses nothing.
        resolution: of the engine's pictures, a multiple of the frame's after cropping.
    """

    scenario: ClassVar[str]
    buttons: ClassVar[tuple[vzd.Button, ...]]
    resolution: ClassVar[vzd.ScreenResolution]
    render_fps = 9

    def __init__(self) -> None:
        """Starts the engine, a process of its own."""
        self._game = _configure(self.scenario, self.buttons, self.resolution)
        folder = tempfile.mkdtemp(prefix="vizdoom-")
        self._stop = weakref.finalize(self, _stop, self._game, folder)
        with contextlib.chdir(folder):  # where the engine writes its settings
            self._game.init()
        self._seed = 0
        self._history: list[int] = []
        self._view: Any = None

    @property
    def num_steps(self) -> int:
        """How many steps the episode has."""
        return len(self._history)

    def reset(self, rng: np.random.Generator, split: str) -> dict[str, str]:
        """Begin an episode: even seeds of the engine train, odd ones test."""
        while True:
            seed = 2 * int(rng.integers(2**30)) + SPLITS.index(split)
            self._begin(seed)
            if self._start_split() in (None, split):
                return {"seed": str(seed)}

    def step(self, action: int | Controls) -> tuple[float, bool]:
        """Hold a button for four ticks; the reward is the scenario's own, summed over them.

        "take cover" gives 1 a tick survived, "my way home" 1 for the vest and -0.0001 a tick.
        """
        index = int(action)
        reward = float(self._game.make_action(self._pressed(index), TICKS_PER_STEP))
        self._history.append(index)
        terminated = bool(self._game.is_episode_finished())
        if terminated:
            self._rewind_to_the_last_view()
        else:
            self._look()
        return reward, terminated

    def frame(self) -> Frame:
        """The engine's picture, averaged over blocks of pixels."""
        return _shrink(self._crop(self._view.screen_buffer), self.frame_size)

    def pose(self) -> tuple[float, float, float]:
        """Where the player is, x and y in map units, and where it looks, in degrees: 0 along x, 90 along y."""
        x, y, angle = (float(self._game.get_game_variable(variable)) for variable in _POSE)
        return x, y, angle

    def objects(self, name: str) -> npt.NDArray[np.float64]:
        """(number, 4): x, y and their change a tick of each object of Doom's class `name`, as last seen."""
        found = [thing for thing in self._view.objects if thing.name == name]
        rows = [(o.position_x, o.position_y, o.velocity_x, o.velocity_y) for o in found]
        return np.array(rows, np.float64).reshape(-1, 4)

    def clone(self) -> dict[str, Any]:
        """The engine's seed and the actions since."""
        return {"seed": self._seed, "actions": tuple(self._history)}

    def restore(self, saved: Any) -> None:
        """Replay the actions of `clone`."""
        *actions, last = saved["actions"] or (None,)
        self._replay(saved["seed"], actions)
        if last is not None:
            self.step(last)

    def close(self) -> None:
        """Stop the engine."""
        self._stop()

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """The true state as plain JSON values."""

    def _crop(self, picture: Frame) -> Frame:
        return picture

    def _start_split(self) -> str | None:
        """The split that this start belongs to; None for both."""
        return None

    def _begin(self, seed: int) -> None:
        self._seed, self._history = seed, []
        self._game.set_seed(seed)
        self._game.new_episode()
        self._look()

    def _pressed(self, action: int) -> list[int]:
        return [int(action == index) for index in range(len(self.buttons))]

    def _look(self) -> None:
        self._view = self._game.get_state()

    def _replay(self, seed: int, actions: list[int]) -> None:
        """Play without drawing any but the last picture."""
        self._begin(seed)
        for number, action in enumerate(actions, 1):
            self._game.set_action(self._pressed(action))
            self._game.advance_action(TICKS_PER_STEP, number == len(actions))
        self._history = actions
        self._look()

    def _rewind_to_the_last_view(self) -> None:
        """Play the episode again and its last step tick by tick: a finished one has no picture."""
        *actions, last = self._history
        self._replay(self._seed, actions)
        while not self._game.is_episode_finished():
            self._look()
            self._game.make_action(self._pressed(last), 1)
        self._history = [*actions, last]


class TakeCover(Doom):
    """Imps throw fireballs across a hall; the player steps aside. One point a tick, until death.

    The frame is the middle of the picture, four fifths of its width and height: imps are small. Its last rows are drawn
    over as a bar of the health, since a fireball may take part of it and nothing else shows that.
    """

    world = "doom_take_cover"
    actions = doom_take_cover_actions.ACTIONS
    visible_actions = ("move left", "move right")
    probe_steps = 4
    scenario = "take_cover"
    buttons = (vzd.Button.MOVE_LEFT, vzd.Button.MOVE_RIGHT)
    resolution = vzd.ScreenResolution.RES_320X240

    def frame(self) -> Frame:
        """The middle of the picture, with the bar."""
        frame = super().frame()
        draw_health(frame, self.health())
        return frame

    def health(self) -> float:
        """From 100 down to 0."""
        return max(float(self._game.get_game_variable(vzd.GameVariable.HEALTH)), 0.0)

    def state(self) -> dict[str, Any]:
        """`position` across the hall (map units, to the left) and `health`."""
        return {"position": self.pose()[1], "health": self.health()}

    def _crop(self, picture: Frame) -> Frame:
        return picture[24:216, 32:288]


class MyWayHome(Doom):
    """Rooms, each with walls of its own pattern, and corridors; the vest, always in the same room, gives one point.

    A start is one of 17 places and any angle. One eighth of the angles of each place starts test episodes only.
    """

    world = "doom_my_way_home"
    actions = doom_my_way_home_actions.ACTIONS
    visible_actions = ("turn left", "turn right", "move forward", "move back")
    probe_steps = 2
    scenario = "my_way_home"
    buttons = (
        vzd.Button.TURN_LEFT,
        vzd.Button.TURN_RIGHT,
        vzd.Button.MOVE_FORWARD,
        vzd.Button.MOVE_BACKWARD,
    )
    resolution = vzd.ScreenResolution.RES_256X192

    def state(self) -> dict[str, Any]:
        """The pose: `x`, `y` in map units and `angle` in degrees."""
        return dict(zip(("x", "y", "angle"), self.pose(), strict=True))

    def walls(self) -> npt.NDArray[np.float64]:
        """(number, 4): x and y of both ends of each wall."""
        lines = [line for sector in self._view.sectors for line in sector.lines if line.is_blocking]
        return np.array([(line.x1, line.y1, line.x2, line.y2) for line in lines], np.float64)

    def _start_split(self) -> str:
        x, y, angle = self.pose()
        return "test" if int(angle // 45) == int(x + y) % 8 else "train"


class TakeCoverTwin(Twin):
    """The twin of TakeCover."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": Doom.render_fps}
    simulator_class = TakeCover
    simulator: TakeCover

    def state(self) -> dict[str, Any]:
        """The true state: see `TakeCover.state`."""
        return self.simulator.state()

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows, read from its pixels only: see `envs.doom.reader`."""
        return doom_reader.read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` could follow from `start`: inside the hall and not in better health."""
        return bool(0 < state["position"] < doom_reader.HALL_WIDTH and state["health"] <= start["health"])


class MyWayHomeTwin(Twin):
    """The twin of MyWayHome."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": Doom.render_fps}
    simulator_class = MyWayHome
    simulator: MyWayHome

    def state(self) -> dict[str, Any]:
        """The true state: see `MyWayHome.state`."""
        return self.simulator.state()


def _configure(scenario: str, buttons: tuple[vzd.Button, ...], resolution: vzd.ScreenResolution) -> vzd.DoomGame:
    game = vzd.DoomGame()
    game.load_config(os.path.join(vzd.scenarios_path, f"{scenario}.cfg"))
    game.set_available_buttons(list(buttons))
    game.set_screen_resolution(resolution)
    game.set_screen_format(vzd.ScreenFormat.RGB24)
    game.set_window_visible(False)
    game.set_render_weapon(False)
    game.set_render_crosshair(False)
    game.set_episode_timeout(0)  # time limits are Gymnasium's
    game.set_objects_info_enabled(True)
    game.set_sectors_info_enabled(True)
    return game


def _stop(game: vzd.DoomGame, folder: str) -> None:
    game.close()
    shutil.rmtree(folder, ignore_errors=True)


def _shrink(picture: Frame, size: tuple[int, int]) -> Frame:
    """The mean over blocks of pixels."""
    factors = picture.shape[1] // size[1], picture.shape[0] // size[0]
    return np.array(Image.fromarray(picture).reduce(factors))
