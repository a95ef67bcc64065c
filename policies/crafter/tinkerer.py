"""A tinkerer for the Crafter twin: it tries every action where it has an effect, and where it has none.

It picks a task, carries it out for some steps and picks the next.
"""

from collections.abc import Callable

import numpy as np
from crafter import constants

from policies.crafter.expert import Expert
from policies.crafter.scene import CREATURES, MOVES, Action, Scene

Task = Callable[[Scene], Action | None]

TASKS = {"deed": 0.32, "useless": 0.1, "project": 0.12, "visit": 0.14, "walk": 0.18, "wait": 0.14}
"""How often each task is chosen."""

FIGHT_SHARE = 0.5  # how likely it turns to a monster beside it
SLEEP_SHARE = 0.06  # how likely it sleeps where it picks sleep for a deed: a sleep lasts for many steps
LONGEST_HOLD = 6  # steps
VISIT_STEPS, PROJECT_STEPS = 16, 40  # the most it spends on one
_SIGHTS = [name for name in constants.materials if name not in (*constants.walkable, "lava")] + list(CREATURES)
_PROJECTS = [name for name in constants.achievements if name.startswith(("make", "place"))]
_RARE = (Action.MAKE_IRON_PICKAXE, Action.MAKE_IRON_SWORD)  # seldom possible, so chosen wherever they are


class Tinkerer:
    """Carries out one task after the other."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws the tasks."""
        self._rng = rng
        self._expert = Expert(rng)
        self._task: Task = lambda scene: None
        self._steps_left = 0

    def act(self, scene: Scene) -> Action:
        """The next action; it does not walk into lava."""
        if self._rng.random() < FIGHT_SHARE and (blow := self._expert.fight(scene)) is not None:
            return blow
        action = self._task(scene) if self._steps_left else None
        while action is None:
            self._task, self._steps_left = self._draw(scene)
            action = self._task(scene)
        self._steps_left -= 1
        return Action.WAIT if action in MOVES and scene.leads_into_lava(action) else action

    def _draw(self, scene: Scene) -> tuple[Task, int]:
        """A task and for how many steps."""
        name = str(self._rng.choice(list(TASKS), p=list(TASKS.values())))
        if name == "visit":
            kind = _SIGHTS[int(self._rng.integers(len(_SIGHTS)))]
            return lambda scene: scene.approach(scene.where(kind), Action.INTERACT, VISIT_STEPS), VISIT_STEPS
        if name == "project":
            options = [name for name in _PROJECTS if "iron" in name] if self._rng.random() < 0.5 else _PROJECTS
            return self._project(scene, options[int(self._rng.integers(len(options)))]), PROJECT_STEPS
        chosen = {"deed": self._deed, "useless": self._useless, "walk": self._walk}
        action = chosen[name](scene) if name in chosen else Action.WAIT
        most = LONGEST_HOLD if name in ("walk", "wait") else 3
        return lambda scene: action, int(self._rng.integers(1, most + 1))

    def _project(self, scene: Scene, name: str) -> Task:
        """Makes or places a thing once, with all that it takes."""
        before = scene.player.achievements[name]
        return lambda scene: self._expert.achieve(scene, name) if scene.player.achievements[name] == before else None

    def _deed(self, scene: Scene) -> Action | None:
        """One of the actions that change something here, moves aside."""
        deeds = [action for action in Action if action not in MOVES and scene.has_effect(action)]
        deed = self._one_of([deed for deed in deeds if deed in _RARE] or deeds)
        return None if deed is Action.SLEEP and self._rng.random() >= SLEEP_SHARE else deed

    def _useless(self, scene: Scene) -> Action | None:
        """One of the actions that change nothing here."""
        return self._one_of([action for action in Action if action and not scene.has_effect(action)])

    def _walk(self, scene: Scene) -> Action | None:
        return self._one_of(list(MOVES))

    def _one_of(self, actions: list[Action]) -> Action | None:
        return actions[int(self._rng.integers(len(actions)))] if actions else None
