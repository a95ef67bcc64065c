"""The real twin of the world Pong: Atari's game in the Arcade Learning Environment (package ale-py, GPL-2.0).

A step holds the stick for 4 ticks: the ball moves 1.6 pixels of a frame sideways, a held paddle 8.8. The world is
deterministic, with no sticky actions. After a point the game waits a second for no visible reason before it serves; the
step that follows a point skips this wait, so every step but that one shows the ball, or where it just left. The score
stays outside the frame; the game ends, as it does on the console, when a side has 21 points.
"""

import zlib
from typing import Any

import gymnasium as gym
import numpy as np

try:
    import ale_py
    from ale_py import roms
except ImportError as error:
    raise gym.error.DependencyNotInstalled(
        f'the real Pong twin must find the package ale-py, got {error}; run `pip install "wm-gym[pong]"`'
    ) from error

from envs.pong import reader as pong_reader
from envs.pong.actions import ACTIONS
from envs.pong.frames import FRAME_SIZE, Floats, crop, is_ball, preprocess, shrink
from envs.pong.reader import ball_place, ball_seen, paddle_place
from envs.twin import Controls, Frame, Simulator, Twin

TICKS = 4
WARM_UP_STEPS = (30, 150)
TEST_SHARE = 8  # one start in so many is for testing

_STICK = (ale_py.Action.RIGHT, ale_py.Action.LEFT, ale_py.Action.NOOP)  # of a paddle turned by 90 degrees: up, down
_SCORE_OPPONENT, _SCORE_PLAYER = 13, 14  # addresses in RAM, as the following
_WAIT, _BALL_X, _BALL_Y, _OPPONENT_Y, _PLAYER_Y = 11, 49, 54, 50, 51


class Pong(Simulator):
    """Atari's Pong, the player's paddle on the right.

    A start is where a warm-up ended: 30 to 150 steps of half random, half ball-following play from the console's one
    beginning. Its split is drawn from its frame's checksum, so no start frame belongs to both; play goes on until the
    checksum is of the split that is asked for.
    """

    world = "pong"
    frame_size = (FRAME_SIZE, FRAME_SIZE)
    render_fps = 15
    actions = ACTIONS
    visible_actions = ("move up", "move down")
    probe_steps = 2

    def __init__(self) -> None:
        """Loads the game."""
        self._screen: Frame
        self._begin()

    def reset(self, rng: np.random.Generator, split: str) -> dict[str, str]:
        """Warms up to a start of the split."""
        self._ale.restoreState(self._beginning)
        self._warm_up(rng, int(rng.integers(*WARM_UP_STEPS)))
        while not self._is_start(split):
            self._warm_up(rng, 1)
        return {}

    def step(self, action: int | Controls) -> tuple[float, bool]:
        """Holds the stick; the reward is the game's, 1 for a point of the player and -1 for one of the opponent."""
        reward = self._hold(_STICK[int(action)])
        self._screen = self._ale.getScreenRGB()
        return float(reward), bool(self._ale.game_over())

    def frame(self) -> Frame:
        """The playfield: see `envs.pong.frames`."""
        return preprocess(self._screen)

    def clone(self) -> Any:
        """The console's state, and its screen, which that lacks."""
        return self._ale.cloneState(), self._screen.copy()

    def restore(self, saved: Any) -> None:
        """Goes back to a state of `clone`, which stays usable."""
        state, screen = saved
        self._ale.restoreState(state)
        self._screen = screen.copy()

    def state(self) -> dict[str, Any]:
        """The true state as plain JSON values, with the keys of `read_state`.

        Places are in pixels of a frame, to a native pixel: `ball` is [x, y] of its centre, or None where it is out or
        behind a wall; `player` and `opponent` are the heights of the paddles' centres. All come from RAM but for the
        ball's height, which the console draws up to a native row off: that one is where the screen has it.
        """
        seen = self._ball_seen()
        return {
            "ball": ball_place(self.ball_native[0], seen) if seen.any() else None,
            "num_balls": int(seen.any()),
            "player": paddle_place(self.player_top),
            "opponent": paddle_place(int(self.ram[_OPPONENT_Y]) - 49),
        }

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows, read from its pixels only: see `envs.pong.reader`."""
        return pong_reader.read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` could follow from `start`: one ball at most, and the player's paddle is there."""
        return bool(state["num_balls"] <= 1 and state["player"] is not None)

    @property
    def ram(self) -> Frame:
        """The console's 128 bytes."""
        ram: Frame = self._ale.getRAM()
        return ram

    @property
    def score(self) -> tuple[int, int]:
        """Points of the player and of the opponent."""
        return int(self.ram[_SCORE_PLAYER]), int(self.ram[_SCORE_OPPONENT])

    @property
    def player_top(self) -> int:
        """The first native row of the player's paddle, negative where the wall hides a part of it."""
        return (int(self.ram[_PLAYER_Y]) - 47) // 2 * 2

    @property
    def ball_in_play(self) -> bool:
        """Whether the ball is served and in the field."""
        return int(self.ram[_WAIT]) == 0 and int(self.ram[_BALL_Y]) > 0

    @property
    def ball_native(self) -> tuple[int, int]:
        """The ball's first native column and row by RAM; meaningless when it is not in play."""
        return int(self.ram[_BALL_X]) - 49, int(self.ram[_BALL_Y]) - 48

    def __getstate__(self) -> dict[str, Any]:
        """All but the console itself, which cannot be pickled; its state can."""
        return {"saved": self.clone()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin()
        self.restore(state["saved"])

    def _begin(self) -> None:
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self._ale = ale_py.ALEInterface()
        self._ale.setInt("frame_skip", 1)
        self._ale.setFloat("repeat_action_probability", 0.0)
        rom = roms.get_rom_path("pong")
        assert rom is not None, "the package ale-py must bring the ROM of Pong"
        self._ale.loadROM(rom)
        self._ale.reset_game()
        self._beginning = self._ale.cloneState()
        self._screen = self._ale.getScreenRGB()

    def _hold(self, stick: ale_py.Action) -> float:
        while not self.ball_in_play and not self._ale.game_over():
            self._ale.act(ale_py.Action.NOOP)
        reward = 0.0
        for _ in range(TICKS):
            reward += self._ale.act(stick)
            if self._ale.game_over():
                break
        return reward

    def _warm_up(self, rng: np.random.Generator, steps: int) -> None:
        """Follows the ball in half of the steps, else acts at random."""
        for _ in range(steps):
            stick = _STICK[int(rng.integers(len(_STICK)))]
            if rng.random() < 0.5:
                stick = _STICK[0] if self.ball_native[1] < self.player_top + 6 else _STICK[1]
            self._hold(stick)
        self._screen = self._ale.getScreenRGB()

    def _is_start(self, split: str) -> bool:
        is_test = zlib.crc32(self.frame().tobytes()) % TEST_SHARE == 0
        return bool(self._ball_seen().any()) and is_test == (split == "test")

    def _ball_seen(self) -> Floats:
        """How much of the ball each row of the frame shows, in half native pixels."""
        return np.rint(ball_seen(shrink(is_ball(crop(self._screen)).astype(np.float64))))


class PongTwin(Twin):
    """The twin of Pong."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": Pong.render_fps}
    simulator_class = Pong
    simulator: Pong

    def state(self) -> dict[str, Any]:
        """The true state: see `Pong.state`."""
        return self.simulator.state()

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame shows: see `Pong.read_state`."""
        return self.simulator.read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` could follow from `start`: see `Pong.is_valid`."""
        return self.simulator.is_valid(start, state)
