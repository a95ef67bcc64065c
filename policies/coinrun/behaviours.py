"""How the policies of the CoinRun twin behave: each chooses an action from the simulator's state."""

from typing import Protocol

import numpy as np

from envs.coinrun.actions import ACTIONS
from envs.coinrun.twin import CoinRun
from policies.coinrun.planner import Planner

FIDGET_SHARES = {
    "wait": 0.16,
    "run left": 0.16,
    "run right": 0.2,
    "jump": 0.12,
    "jump left": 0.13,
    "jump right": 0.15,
    "drop down": 0.08,
}
"""How likely each action is the next that fidgeting holds."""

LONGEST_HOLD = 8
"""Steps that fidgeting holds an action at most."""

REPLAN_STEPS = 3
"""Steps of a plan that are played before the next is made."""

PATIENCE = 24
"""Steps after which wandering gives up a column."""


class Behaviour(Protocol):
    """Chooses actions; may keep a plan."""

    def act(self, simulator: CoinRun) -> int:
        """The next action, by number."""
        ...

    def forget(self) -> None:
        """Drops the plan: the world has changed behind its back."""
        ...


class RandomActions:
    """Uniform actions, each held for one step."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws them."""
        self._rng = rng

    def act(self, simulator: CoinRun) -> int:
        """The next action; the simulator is not looked at."""
        return int(self._rng.integers(len(ACTIONS.names)))

    def forget(self) -> None:
        """Nothing: there is no plan."""


class Fidgeting:
    """Random actions, each held for 1 to `LONGEST_HOLD` steps."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws them."""
        self._rng = rng
        self._plan: list[int] = []

    @property
    def holds(self) -> bool:
        """Whether the last action is to be held."""
        return bool(self._plan)

    def act(self, simulator: CoinRun) -> int:
        """The next action; the simulator is not looked at."""
        if not self._plan:
            name = str(self._rng.choice(list(FIDGET_SHARES), p=list(FIDGET_SHARES.values())))
            self._plan = [ACTIONS.names.index(name)] * int(self._rng.integers(1, LONGEST_HOLD + 1))
        return self._plan.pop()

    def forget(self) -> None:
        """Lets go."""
        self._plan = []


class Running:
    """Goes for the coin."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws plans."""
        self._planner = Planner(rng)
        self._plan: list[int] = []

    def act(self, simulator: CoinRun) -> int:
        """The next action."""
        if not self._plan:
            column, _ = simulator.level.coin
            self._plan = self._planner.plan(simulator.clone(), column, takes_coin=True)[:REPLAN_STEPS]
        return self._plan.pop(0)

    def forget(self) -> None:
        """Drops the plan."""
        self._plan = []


class Wandering:
    """Goes to one column after another between the start and the coin, which it leaves alone."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws columns and plans."""
        self._rng = rng
        self._planner = Planner(rng)
        self._plan: list[int] = []
        self._column = 0.0
        self._patience = 0

    def act(self, simulator: CoinRun) -> int:
        """The next action."""
        if not self._plan:
            level = simulator.level
            if self._patience <= 0 or abs(level.player.x - self._column) < 1:
                self._column = float(self._rng.uniform(1, level.coin[0] - 1))
                self._patience = PATIENCE
            self._plan = self._planner.plan(simulator.clone(), self._column, takes_coin=False)[:REPLAN_STEPS]
        self._patience -= 1
        return self._plan.pop(0)

    def forget(self) -> None:
        """Drops the plan; the column stays."""
        self._plan = []


class Lapsing:
    """Another behaviour that lapses into fidgeting now and then, for one hold."""

    def __init__(self, rng: np.random.Generator, behaviour: Behaviour, share: float) -> None:
        """`share` is how likely a lapse begins at a step, in [0, 1]."""
        self._rng = rng
        self._behaviour = behaviour
        self._fidgeting = Fidgeting(rng)
        self._share = share

    def act(self, simulator: CoinRun) -> int:
        """The next action."""
        if self._fidgeting.holds or self._rng.random() < self._share:
            self._behaviour.forget()
            return self._fidgeting.act(simulator)
        return self._behaviour.act(simulator)

    def forget(self) -> None:
        """Drops all plans."""
        self._behaviour.forget()
        self._fidgeting.forget()
