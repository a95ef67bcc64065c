"""A planner for the CoinRun twin: it tries random plans in a game of its own and takes the best (random shooting).

It is privileged twice: it knows the true state, and its game is the simulator itself.
"""

import numpy as np

from envs.coinrun.actions import ACTIONS, PROCGEN_ACTIONS
from envs.coinrun.library import Game
from envs.coinrun.state import parse
from envs.coinrun.twin import TICKS

NUM_PLANS = 24
HORIZON_STEPS = 8  # two jumps
LONGEST_HOLD = 4

_RIGHTWARDS = {
    "run right": 0.35,
    "jump right": 0.35,
    "jump": 0.1,
    "wait": 0.08,
    "run left": 0.06,
    "jump left": 0.06,
}
_MIRROR = {"run right": "run left", "run left": "run right", "jump right": "jump left", "jump left": "jump right"}
_LEFTWARDS = {_MIRROR.get(name, name): share for name, share in _RIGHTWARDS.items()}


class Planner:
    """Finds ways to a column of a level."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws the plans."""
        self._rng = rng
        self._game = Game(0)

    def plan(self, saved: bytes, column: float, *, takes_coin: bool) -> list[int]:
        """The best of `NUM_PLANS` plans: numbers of actions, one a step.

        Args:
            saved: where the game stands.
            column: where to go, in tiles.
            takes_coin: whether the coin is wanted; else it is as bad as death.
        """
        shares = _RIGHTWARDS if parse(saved).player.x < column else _LEFTWARDS
        plans = [self._draw(shares) for _ in range(NUM_PLANS)]
        return max(plans, key=lambda plan: self._score(saved, plan, column, takes_coin))

    def _draw(self, shares: dict[str, float]) -> list[int]:
        plan: list[int] = []
        while len(plan) < HORIZON_STEPS:
            name = str(self._rng.choice(list(shares), p=list(shares.values())))
            plan += [ACTIONS.names.index(name)] * int(self._rng.integers(1, LONGEST_HOLD + 1))
        return plan[:HORIZON_STEPS]

    def _score(self, saved: bytes, plan: list[int], column: float, takes_coin: bool) -> float:
        """How near to the column it ends; above all the coin where it is wanted, below all an end without it."""
        self._game.restore(saved)
        for step, action in enumerate(plan):
            for _ in range(TICKS):
                reward, ended = self._game.act(PROCGEN_ACTIONS[ACTIONS.names[action]])
                if ended:
                    return 1000.0 - step if takes_coin and reward > 0 else step - 1000.0
        return -abs(parse(self._game.save()).player.x - column)
