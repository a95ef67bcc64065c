"""The real twin of the CoinRun world: procgen's platform game, where a run to the right ends at a coin.

One step is four ticks: a jump on level ground takes four steps, a stop from full speed two. An episode that ends shows
the last picture before the end, for procgen draws none of the end. Procgen's limit of 1000 ticks, which no picture
shows either, is lifted.
"""

from typing import Any

import gymnasium as gym
import numpy as np

from envs.coinrun import reader as coinrun_reader
from envs.coinrun import state as coinrun_state
from envs.coinrun.actions import ACTIONS, PROCGEN_ACTIONS
from envs.coinrun.library import LEVELS, Game, package_folder
from envs.twin import Controls, Frame, Simulator, Twin

TICKS = 4
"""Ticks a step. After one tick running differs from waiting in a fifth of all states and jumping in a quarter; after
four they do in four fifths and in half."""

TEST_SHARE = 8
"""One layout in so many belongs to the test split."""


class CoinRun(Simulator):
    """CoinRun, easy: steps of ground with saws and crates, pits with lava or slimes, and a coin at the end."""

    world = "coinrun"
    render_fps = 4
    actions = ACTIONS
    visible_actions = ("run left", "run right", "jump", "jump left", "jump right")
    probe_steps = 4

    def __init__(self) -> None:
        """Looks for procgen only; `reset` begins a level."""
        package_folder()
        self._game: Game | None = None

    def reset(self, rng: np.random.Generator, split: str) -> dict[str, str]:
        """Begins a level of the split, told by a digest of its layout: 4000 seeds make but 2818 layouts."""
        while True:
            seed = int(rng.integers(LEVELS))
            self.close()
            self._game = Game(seed)
            if split_of(self.level) == split:
                break
        self._game.restore(coinrun_state.without_time_limit(self._game.save()))
        return {"level": str(seed)}

    def step(self, action: int | Controls) -> tuple[float, bool]:
        """Holds an action for `TICKS` ticks; the coin gives 10 and ends the episode, as saws, slimes and lava do."""
        game = self._playing()
        number = PROCGEN_ACTIONS[ACTIONS.names[int(action)]]
        saved = game.save()
        for tick in range(TICKS):
            reward, ended = game.act(number)
            if ended:
                game.restore(saved)
                for _ in range(tick):
                    game.act(number)
                return reward, True
        return 0.0, False

    def frame(self) -> Frame:
        """What is seen: the player in the middle of 13 x 13 tiles."""
        return self._playing().draw()

    def state(self) -> dict[str, Any]:
        """Walls, ground and coin around the player as plain JSON values: see `envs.coinrun.reader`."""
        return coinrun_reader.true_state(self.level)

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows, read from its pixels to within a fraction of a tile."""
        return coinrun_reader.read_state(frame)

    @property
    def level(self) -> coinrun_state.Level:
        """The true state."""
        return coinrun_state.parse(self._playing().save())

    def clone(self) -> bytes:
        """Procgen's own saved state."""
        return self._playing().save()

    def restore(self, saved: Any) -> None:
        """Goes back to a state of `clone`, to the bit."""
        if self._game is None:
            self._game = Game(0)
        self._game.restore(saved)

    def close(self) -> None:
        """Frees the level."""
        if self._game is not None:
            self._game.close()
            self._game = None

    def _playing(self) -> Game:
        if self._game is None:
            raise gym.error.ResetNeeded("the world must have a level, got none; call reset() first")
        return self._game


class CoinRunTwin(Twin):
    """CoinRun behind texts and chunks."""

    simulator_class = CoinRun
    metadata = {"render_modes": ["rgb_array"], "render_fps": CoinRun.render_fps}
    simulator: CoinRun

    def state(self) -> dict[str, Any]:
        """See `CoinRun.state`."""
        return self.simulator.state()

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """See `CoinRun.read_state`."""
        return self.simulator.read_state(frame)


def split_of(level: coinrun_state.Level) -> str:
    """The split that a new level belongs to: "test" for one layout in `TEST_SHARE`."""
    return "test" if int.from_bytes(level.layout, "little") % TEST_SHARE == 0 else "train"
