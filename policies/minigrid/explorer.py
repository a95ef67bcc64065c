"""An explorer for the MiniGrid twin: it tries everything that changes the world, and much that does not.

It picks a task, walks there, does it and picks the next. It never enters the goal, so its episodes run to the time
limit; but where events may turn the agent round between its choice and its step, it may.
"""

import numpy as np
from minigrid.core.world_object import Door, WorldObj
from minigrid.minigrid_env import MiniGridEnv

from policies.minigrid.routes import Action, Cell, Pose, Routes, free_price, front, pose_of, search

PORTABLE = ("key", "ball", "box")

WEIGHTS = {
    "pick up": 6.0,
    "drop": 4.0,
    "unlock": 4.0,
    "door": 4.0,
    "box": 0.3,
    "locked": 4.0,
    "useless": 0.8,
    "wander": 0.5,
}
"""How often each task is chosen among those that can be done now.

A locked door is tried without its key as often as with it: a model that has rarely seen one refuse opens it, and agents
find that out.
"""


class Explorer:
    """Keeps the plan of its current task."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws the tasks."""
        self._rng = rng
        self._plan: list[Action] = []

    def forget(self) -> None:
        """Drops the plan: the world has changed behind its back."""
        self._plan = []

    def act(self, simulator: MiniGridEnv) -> Action:
        """The next action; never a step into the goal."""
        if not self._plan:
            self._plan = self._choose(simulator)
        return self._plan.pop(0)

    def _choose(self, simulator: MiniGridEnv) -> list[Action]:
        routes = search(simulator, free_price)
        targets = _targets(simulator, routes)
        options = [task for task in WEIGHTS if task in ("useless", "wander") or targets.get(task)]
        weights = np.array([WEIGHTS[task] for task in options])
        task = options[int(self._rng.choice(len(options), p=weights / weights.sum()))]
        if task == "useless":
            return self._useless(simulator)
        poses = list(routes.prices) if task == "wander" else targets[task]
        pose = self._pick_pose(routes, poses, nearness=0.0 if task == "wander" else 1.5)
        way = [action for _, action in routes.actions_to(pose)]
        return [*way, *self._deed(task)] or [Action.WAIT]

    def _pick_pose(self, routes: Routes, poses: list[Pose], nearness: float) -> Pose:
        weights = (1.0 + np.array([routes.prices[pose] for pose in poses])) ** -nearness
        return poses[int(self._rng.choice(len(poses), p=weights / weights.sum()))]

    def _deed(self, task: str) -> list[Action]:
        if task == "pick up":
            return [Action.PICK_UP]
        if task == "drop":
            return [Action.DROP]
        if task in ("door", "unlock"):
            return [Action.TOGGLE] * int(self._rng.integers(1, 4))
        return [Action.TOGGLE] if task in ("box", "locked") else []

    def _useless(self, simulator: MiniGridEnv) -> list[Action]:
        """One to three actions that change nothing here."""
        thing = simulator.grid.get(*front(pose_of(simulator)))
        holding = simulator.carrying is not None
        options = [Action.WAIT]
        if holding or thing is None or thing.type not in PORTABLE:
            options.append(Action.PICK_UP)
        if not holding or thing is not None:
            options.append(Action.DROP)
        if thing is None or thing.type in ("wall", "goal", "key", "ball"):
            options.append(Action.TOGGLE)
        if thing is not None and not thing.can_overlap():
            options.append(Action.MOVE_FORWARD)
        return [options[int(self._rng.integers(len(options)))]] * int(self._rng.integers(1, 4))


def _targets(simulator: MiniGridEnv, routes: Routes) -> dict[str, list[Pose]]:
    """For each task the reached poses in which it can be done, one (the nearest) for each cell it is done to."""
    targets: dict[str, list[Pose]] = {}
    cells: set[Cell] = {front(pose) for pose in routes.prices}
    for cell in sorted(cells):
        pose = routes.facing(cell)
        for task in _tasks(simulator, simulator.grid.get(*cell)):
            if pose is not None:
                targets.setdefault(task, []).append(pose)
    return targets


def _tasks(simulator: MiniGridEnv, thing: WorldObj | None) -> list[str]:
    """What can be done to a cell with this content, with what the agent now holds."""
    held = simulator.carrying
    if thing is None:
        return [] if held is None else ["drop"]
    if isinstance(thing, Door):
        if not thing.is_locked:
            return ["door"]
        return ["unlock"] if held is not None and (held.type, held.color) == ("key", thing.color) else ["locked"]
    tasks = ["pick up"] if held is None and thing.type in PORTABLE else []
    return [*tasks, "box"] if thing.type == "box" else tasks
