"""The real twin of the Crafter world: Danijar Hafner's survival game, its dynamics, rewards and pixels untouched.

A frame shows the 9x7 cells around the player, what it owns and how it fares. It does not show how soon hunger, thirst
or a zombie strike, the damage a creature has taken, the world beyond the view, or which achievements still earn a
reward; and creatures move at random. So frames tell the next frame only in part, and at night noise covers much of it
(see `envs.crafter.view`).
"""

import copy
from typing import Any

import gymnasium as gym
import numpy as np

try:
    import crafter
    import opensimplex
except ImportError as error:
    raise gym.error.DependencyNotInstalled(
        f'the real Crafter twin must find the package crafter, got {error}; run `pip install "wm-gym[crafter]"`'
    ) from error

from envs.crafter import reader as crafter_reader
from envs.crafter import worlds as crafter_worlds
from envs.crafter.actions import ACTIONS
from envs.crafter.starts import MIDWAY, NEW, STARTS, begin_midway
from envs.crafter.view import InventoryView, MapView
from envs.twin import Controls, Frame, Simulator, Twin

assert opensimplex  # crafter imports it only when it generates a world

SEEDS = {"train": (0, 2**30), "test": (2**30, 2**31 - 1)}
"""The world seeds of each split: from, up to."""

MIDWAY_SHARE = 0.6
"""How many lives are under way when an episode begins, unless `start` says otherwise."""


class Crafter(Simulator):
    """One step is one of Crafter's own: a move of one cell, a blow, a thing placed or made.

    Attributes:
        env: the `crafter.Env`, with faster worlds and views in it, whose length is unlimited.
        num_steps: steps since the reset.
    """

    world = "crafter"
    render_fps = 5
    actions = ACTIONS
    visible_actions = ("move left", "move right", "move up", "move down")
    probe_steps = 2  # the first step may only turn the player around

    def __init__(self, start: str | None = None) -> None:
        """Builds the game; `reset` begins a life.

        Args:
            start: "new" begins lives as Crafter does, "midway" in the middle of one; None mixes them.

        Raises:
            ValueError: `start` is neither.
        """
        if start not in (None, *STARTS):
            raise ValueError(f"start must be one of None, {', '.join(map(repr, STARTS))}, got {start!r}; pick one")
        self.start = start
        self.env: Any = crafter.Env(seed=0, length=0)
        self.env._local_view = MapView(self.env._local_view)
        self.env._item_view = InventoryView()
        self.env._sem_view = _nothing  # a map that nobody here looks at
        self.num_steps = 0
        self._frame = np.zeros((*self.frame_size, 3), np.uint8)

    def reset(self, rng: np.random.Generator, split: str) -> dict[str, str]:
        """Generates a world of the split and begins a life in it."""
        seed = int(rng.integers(*SEEDS[split]))
        start = self.start or (MIDWAY if rng.random() < MIDWAY_SHARE else NEW)
        self._begin(seed)
        if start == MIDWAY:
            begin_midway(self.env, rng)
        self.num_steps = 0
        self._frame = np.ascontiguousarray(self.env.render())
        return {"world_seed": str(seed), "start": start}

    def step(self, action: int | Controls) -> tuple[float, bool]:
        """Crafter's reward (1 for a first achievement, 0.1 a point of health), and whether the player died."""
        frame, reward, terminated, _ = self.env.step(int(action))
        self.num_steps += 1
        self._frame = np.ascontiguousarray(frame)
        return float(reward), bool(terminated)

    def frame(self) -> Frame:
        """What is seen now; drawn once a step, for the noise of the night comes from the world's generator."""
        return self._frame.copy()

    def state(self) -> dict[str, Any]:
        """What a frame can show of the true state, with the keys of `crafter_reader.read_state`."""
        return crafter_reader.true_state(self.env._world, self.env._player)

    def clone(self) -> Any:
        """The world with all creatures and its generator."""
        env = self.env
        living = copy.deepcopy((env._world, env._player))
        return *living, env._step, env._last_health, frozenset(env._unlocked), self.num_steps, self._frame.copy()

    def restore(self, saved: Any) -> None:
        """Go back to a state of `clone`."""
        env = self.env
        env._world, env._player = copy.deepcopy(saved[:2])
        env._step, env._last_health, unlocked, self.num_steps, frame = saved[2:]
        env._unlocked = set(unlocked)
        self._frame = frame.copy()

    def _begin(self, seed: int) -> None:
        """What `crafter.Env.reset` does, but in the world of this very seed."""
        env = self.env
        env._world, env._player = copy.deepcopy(crafter_worlds.generated(seed))
        env._step = 0
        env._update_time()
        env._last_health = env._player.health
        env._unlocked = set()


class CrafterTwin(Twin):
    """`gym.make("envs:real/Crafter-v0", split="train", start=None)`; see `Crafter` for `start`."""

    simulator_class = Crafter
    simulator: Crafter

    def state(self) -> dict[str, Any]:
        """The true state as far as a frame can show it: see `envs.crafter.reader`."""
        return self.simulator.state()

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows, read from its pixels only: see `envs.crafter.reader`."""
        return crafter_reader.read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` can be one of Crafter's: exactly one player, in the middle of the view."""
        return bool(state["num_players"] == 1 and state["player"] is not None)


def _nothing() -> None:
    return None
