"""One env of a session, the dream or its twin: it can be taken to any moment of the history and stepped from there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from wm_gym.data.recording import event_in
from wm_gym.env_state import EnvState
from wm_gym.play.kept_states import KeptStates
from wm_gym.play.moment import Moment
from wm_gym.play.request import Action

Chunk = UInt8[np.ndarray, "time height width 3"]

TWIN_STATES = 64  # a simulator's state does not tell its size, and replay is cheap


@dataclass(frozen=True, kw_only=True, eq=False)
class Beginning:
    """What a reset gave.

    Attributes:
        chunk: the first observation.
        root: the state there; None of an env that cannot save one.
        facts: the texts of its info.
    """

    chunk: Chunk
    root: Any
    facts: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a step gave; see `gym.Env.step`. `event` is what happened beside the action, "" for nothing."""

    chunk: Chunk
    reward: float
    terminated: bool
    truncated: bool
    uncertainty: float | None
    event: str


class Track:
    """An env whose time limit is off, with the states that it was in.

    Attributes:
        env: it.
        index: its number among the outcomes of a moment.
        name: what a player calls it: "dream", "real".
        kept: states of past moments.

    Args:
        env: the env.
        index: its number.
        name: its name.
        undo_bytes: how much memory its saved states may take.
    """

    def __init__(self, env: gym.Env[Any, Any], *, index: int, name: str, undo_bytes: int) -> None:
        self.env = env
        self.index = index
        self.name = name
        self.kept = KeptStates(TWIN_STATES)
        self._undo_bytes = undo_bytes
        self._world: Any = env.unwrapped  # clone_state and restore_state are ALE's names, not Gymnasium's
        self._at: Moment | None = None  # where the env is; None when unknown

    @property
    def latencies(self) -> Mapping[str, float]:
        """Milliseconds by stage of the last step, where the env reports them."""
        return dict(getattr(self._world, "latencies", {}))

    def begin(self, seed: int, options: dict[str, Any] | None = None) -> Beginning:
        """Reset the env."""
        self._at = None
        chunk, info = self._world.reset(seed=seed, options=options)
        root = self._clone()
        if isinstance(root, EnvState):
            self.kept.max_states = max(2, self._undo_bytes // root.world_state.nbytes)
        facts = {key: value for key, value in info.items() if isinstance(value, str)}
        return Beginning(chunk=np.array(chunk), root=root, facts=facts)

    def advance(self, moment: Moment, action: Action) -> Answer:
        """Step the env from a moment; say `arrive` once the moment that comes of it is there.

        Raises:
            ValueError: the world does not take the action.
        """
        self.seek(moment)
        self._at = None
        chunk, reward, terminated, truncated, info = self._world.step(as_input(action))
        uncertainty = info.get("uncertainty")
        return Answer(
            chunk=np.array(chunk),
            reward=float(reward),
            terminated=bool(terminated),
            truncated=bool(truncated),
            uncertainty=None if uncertainty is None else float(uncertainty),
            event=event_in(info),
        )

    def arrive(self, moment: Moment) -> None:
        """Note that the env is at `moment` now, and keep its state."""
        self._at = moment
        if moment.start.roots[self.index] is not None:
            self.kept.keep(moment, self._clone())

    def seek(self, moment: Moment) -> None:
        """Take the env to a moment before its end: to the nearest kept state, then through the same actions again."""
        if self._at is moment:
            return
        trail = []
        for anchor in moment.back():
            if anchor.parent is None or anchor in self.kept:
                break
            trail.append(anchor)
        self._at = None
        self._restore(anchor)
        for each in reversed(trail):
            self._world.step(as_input(each.action))
            self.arrive(each)
        self._at = moment

    def _clone(self) -> Any:
        """The state of the env and of its generator; None of an env that cannot save it."""
        try:
            return self._world.clone_state(include_rng=True)
        except (AttributeError, NotImplementedError):
            return None

    def _restore(self, anchor: Moment) -> None:
        """Go back to a start, or to a moment whose state is kept."""
        root = anchor.start.roots[self.index]
        if anchor in self.kept:
            self._world.restore_state(self.kept[anchor])
        elif root is not None:
            self._world.restore_state(root)
        else:
            self._world.reset(seed=anchor.start.seed)


def as_input(action: Action) -> Any:
    """The action as the env's `step` takes it."""
    return action if isinstance(action, str) else np.asarray(action, np.float32)


def control_range(env: gym.Env[Any, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The smallest and largest value of each number of a numeric action; empty where the world takes texts only."""
    low, high = getattr(env.unwrapped, "control_range", ((), ()))
    return tuple(map(float, low)), tuple(map(float, high))
