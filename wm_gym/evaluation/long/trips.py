"""Trips: away from a place and back along the reversed path, as the real twin confirms.

The way back undoes the actions of the way there, last one first. Which action undoes which is read off their names
(left and right, up and down, forward and back) or written here. Where the twin does not come back, because a wall was
hit or the world has changed meanwhile, the trip does not count.

A twin may tell which places are in sight (`PlacingTwin`). Then a trip counts only where much of the place was out of
sight for long, and only that part of it is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from wm_gym.evaluation.long.revisit import VISIBLE, patch_errors
from wm_gym.evaluation.rollouts import Walk, rollout_seed
from wm_gym.evaluation.twin import Env

_OPPOSITES = (("left", "right"), ("up", "down"), ("forward", "back"), ("forward", "backward"))
_TURNED_ROUND = ("turn left", "turn left", "move forward", "turn left", "turn left")
_WRITTEN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "minigrid": {"move forward": _TURNED_ROUND},
    "minigrid_view": {"move forward": _TURNED_ROUND},
}
_PAUSES: Mapping[str, int] = {"doom_my_way_home": 2}  # idle steps before a turn: momentum must be spent
_STREAM = 9  # of rollout_seed
_WALK = (4, 48)
_STRETCH = 6  # most repetitions of an action
_PATIENCE = 12  # tries for each trip asked for
_BACK = 0.5  # at most this share of the way's error is left where a trip is back
_OUT_OF_SIGHT = 20  # steps on end, or half of the trip where that is less
_HIDDEN = 0.125  # share of the picture that was out of sight for that long, at least

Actions = tuple[str, ...]
Places = Int64[np.ndarray, "rows columns"]


@runtime_checkable
class PlacingTwin(Protocol):
    """A twin that can tell which places its picture shows."""

    def places_in_sight(self) -> Places:
        """Returns a number for the place in each patch of 8x8 pixels, negative where there is none to remember."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Trip:
    """A real trip.

    Attributes:
        seed: Of the episode.
        clip: The frames before it, the place itself last.
        actions: The twin's texts, there and back.
        turn: After how many of these the way back begins.
        away: The real frame there.
        back: The real frame at the end.
        hidden: The patches of the place that were out of sight for long; None where the twin cannot tell.
    """

    seed: int
    clip: UInt8[np.ndarray, "time height width 3"]
    actions: Actions
    turn: int
    away: UInt8[np.ndarray, "height width 3"]
    back: UInt8[np.ndarray, "height width 3"]
    hidden: Bool[np.ndarray, "rows columns"] | None = None


def inverses(world: str, names: Sequence[str]) -> dict[str, Actions]:
    """Name of an action -> the actions that undo it, of those for which there are any."""
    found: dict[str, Actions] = {}
    for name in names:
        for one, two in _OPPOSITES:
            for own, other in ((one, two), (two, one)):
                words = [other if word == own else word for word in name.split()]
                if own in name.split() and " ".join(words) in names:
                    found[name] = (" ".join(words),)
    return found | {name: undo for name, undo in _WRITTEN.get(world, {}).items() if name in names}


def draw_path(
    undo: Mapping[str, Actions], idle: str, *, num_steps: int, pause: int, rng: np.random.Generator, stay: int = 0
) -> tuple[Actions, int]:
    """Draws a path of `num_steps` actions there and back; what does not fit in is spent idling at the far end.

    Args:
        undo: Name of an action -> the actions that undo it.
        idle: Name of the action that does nothing.
        num_steps: Actions of the path.
        pause: Steps to idle before a turn.
        rng: Draws it.
        stay: Steps to idle at the far end, at least.

    Returns:
        The names of the actions, and after how many of them the way back begins.
    """
    names = sorted(undo)
    there: list[str] = []
    back: list[str] = []
    rests = [idle] * pause
    while True:
        name = names[int(rng.integers(len(names)))]
        times = int(rng.integers(1, _STRETCH + 1))
        cost = times * (1 + len(undo[name])) + 2 * pause
        while cost > num_steps - stay - len(there) - len(back) and times > 1:
            times -= 1
            cost = times * (1 + len(undo[name])) + 2 * pause
        if cost > num_steps - stay - len(there) - len(back):
            break
        there += [name] * times + rests
        back = [*(list(undo[name]) * times), *rests, *back]
    there += [idle] * (num_steps - len(there) - len(back))
    return (*there, *back), len(there)


def collect_trips(
    env: Env,
    policy: str,
    world: str,
    *,
    num_trips: int,
    num_steps: int,
    seed: int,
    clip_frames: int,
    actions: Sequence[str] | None = None,
    on_trip: Callable[[], object] = int,
) -> list[Trip]:
    """Collects real trips that left a place and came back to it.

    Args:
        env: The twin, from `make_twin`.
        policy: Who leads to the place, as "module:factory".
        world: Name of the world.
        num_trips: How many; fewer come where trips hardly ever come back, and none where no action undoes another.
        num_steps: Steps of each, there and back together.
        seed: Of the episodes.
        clip_frames: Frames to keep of the way to the place.
        actions: What the way there is made of; None for all actions that can be undone.
        on_trip: Called after each.

    Raises:
        ValueError: One of `actions` cannot be undone.
    """
    twin = env.unwrapped
    texts = {name: phrases[0] for name, phrases in getattr(twin, "action_phrases", {}).items()}
    undo = _chosen(inverses(world, list(texts)), actions)
    simulator = getattr(twin, "simulator", None)
    if not undo or simulator is None:
        return []
    found: list[Trip] = []
    for attempt in range(_PATIENCE * num_trips):
        if len(found) == num_trips:
            break
        episode_seed = rollout_seed(seed + num_steps, attempt, stream=_STREAM)
        rng = np.random.default_rng([seed, _STREAM, num_steps, attempt])
        walk = Walk(env, policy, seed=episode_seed, clip_frames=clip_frames)
        walk.advance(int(rng.integers(_WALK[0], _WALK[1] + 1)), least_age=clip_frames - 1)
        stay = int(rng.integers(num_steps // 2 + 1)) if isinstance(twin, PlacingTwin) else 0
        idle, pause = simulator.actions.idle, _PAUSES.get(world, 0)
        names, turn = draw_path(undo, idle, num_steps=num_steps, pause=pause, rng=rng, stay=stay)
        trip = _travel(env, episode_seed, walk.clip, tuple(texts[name] for name in names), turn)
        if trip is not None:
            found.append(trip)
            on_trip()
    return found


def _chosen(undo: Mapping[str, Actions], actions: Sequence[str] | None) -> Mapping[str, Actions]:
    if actions is None:
        return undo
    if not actions or not set(actions) <= undo.keys():
        raise ValueError(
            f"trip_actions must be actions that can be undone, got {list(actions)}; choose of {sorted(undo)}"
        )
    return {name: undo[name] for name in actions}


def _travel(
    env: Env, seed: int, clip: UInt8[np.ndarray, "time height width 3"], actions: Actions, turn: int
) -> Trip | None:
    """Takes the trip; None where the episode ends, nothing is left behind, or the twin does not come back."""
    twin = env.unwrapped
    frames: list[np.ndarray] = []
    sights = [twin.places_in_sight()] if isinstance(twin, PlacingTwin) else []
    for action in actions:
        observation, _, terminated, _, _ = twin.step(action)
        frames.append(observation[-1])
        sights += [twin.places_in_sight()] if isinstance(twin, PlacingTwin) else []
        if terminated:
            return None
    away, back = frames[turn - 1], frames[-1]
    left = patch_errors(away, clip[-1])
    if not left.any() or patch_errors(back, clip[-1]).sum() > _BACK * left.sum():
        return None
    hidden = None
    if sights:
        hidden = longest_unseen(sights) >= min(_OUT_OF_SIGHT, len(actions) // 2)
        is_home = np.array_equal(sights[0], sights[-1])
        if not is_home or hidden.mean() < _HIDDEN or not (left[hidden] >= VISIBLE).any():
            return None
    return Trip(seed=seed, clip=clip, actions=actions, turn=turn, away=away, back=back, hidden=hidden)


def longest_unseen(sights: Sequence[Places]) -> Places:
    """For how many steps on end each place of the first sight was not seen, at most; 0 where there is none."""
    first = sights[0]
    unseen, longest = np.zeros_like(first), np.zeros_like(first)
    for sight in sights[1:]:
        unseen = np.where(np.isin(first, sight) | (first < 0), 0, unseen + 1)
        longest = np.maximum(longest, unseen)
    return longest
