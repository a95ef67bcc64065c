"""The envs of a session, the dream and its twin, stepped together from any moment of the history."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from wm_gym.play.moment import Moment, Outcome, Start
from wm_gym.play.request import Action
from wm_gym.play.spool import Spool
from wm_gym.play.track import Beginning, Track

Env: TypeAlias = gym.Env[Any, Any]
Chunk = UInt8[np.ndarray, "_ height width 3"]  # an env that ended shows one frame beside the other's chunk


@dataclass(frozen=True, kw_only=True)
class TwinMaker:
    """How to get the dream's twin when a player asks for it.

    Attributes:
        make: makes it; raises a `ValueError`, an `ImportError` or a Gymnasium error where there is none.
        name: what a player calls it.
    """

    make: Callable[[], Env]
    name: str = "real"


class Stage:
    """Begins episodes and steps them. A moment has an outcome for the dream and, where it plays, one for the twin.

    Attributes:
        tracks: the dream and, once it was asked for, the twin.

    Args:
        dream: the learned env, with `clone_state` and `restore_state`, its time limit off.
        twin: how to get its twin.
        undo_bytes: memory for the dream's kept states.
        on_twin: called with the twin once it was made; what it raises keeps the twin out.
    """

    def __init__(
        self,
        dream: Env,
        *,
        twin: TwinMaker | None = None,
        undo_bytes: int = 2**28,
        on_twin: Callable[[Track], None] = lambda track: None,
    ) -> None:
        self.tracks = [Track(dream, index=0, name="dream", undo_bytes=undo_bytes)]
        self._twin = twin
        self._undo_bytes = undo_bytes
        self._on_twin = on_twin

    @property
    def world(self) -> str:
        """The name of the dream's world."""
        env: Any = self.tracks[0].env.unwrapped
        return str(env.world)

    @property
    def latencies(self) -> Mapping[str, float]:
        """Milliseconds by stage of the dream's last step."""
        return self.tracks[0].latencies

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = (self.tracks[0].env.observation_space.shape or ())[-3:-1]
        return height, width

    def begin(self, seed: int, *, frames: Any = None, beside_twin: bool = False) -> Moment:
        """Begin an episode at a start of the dream's own, at given frames, or where its twin starts.

        Raises:
            ValueError: the frames do not fit, or the twin is of another world.
            gymnasium.error.Error: there is no twin.
        """
        dream = self.tracks[0]
        beginnings: list[Beginning] = []
        if beside_twin:
            beginnings = [self._twin_track().begin(seed)]
            frames = beginnings[0].chunk
        beginnings = [dream.begin(seed, None if frames is None else {"frames": frames}), *beginnings]
        spool = Spool(beginnings[0].chunk.shape)
        start = Start(
            seed=seed,
            spool=spool,
            roots=tuple(each.root for each in beginnings),
            facts=tuple(each.facts for each in beginnings),
        )
        outcomes = tuple(Outcome(span=spool.append(each.chunk)) for each in beginnings)
        moment = Moment(start=start, parent=None, action="", outcomes=outcomes, depth=0)
        for track in self.tracks:
            track.kept.forget_others(moment)
        return moment

    def step(self, moment: Moment, action: Action) -> tuple[Moment, list[Chunk]]:
        """Say an action to every env that has not ended; the next moment and what each env shows.

        Raises:
            ValueError: a world does not take the action.
        """
        outcomes, chunks, arrived = [], [], []
        for track, before in zip(self.tracks, moment.outcomes, strict=False):
            if before.ended:
                outcomes.append(replace(before, reward=0.0))
                chunks.append(moment.chunk(track.index)[-1:])
                continue
            answer = track.advance(moment, action)
            outcomes.append(
                Outcome(
                    span=moment.start.spool.append(answer.chunk),
                    reward=answer.reward,
                    total=before.total + answer.reward,
                    terminated=answer.terminated,
                    truncated=answer.truncated,
                    uncertainty=answer.uncertainty,
                    event=answer.event,
                )
            )
            chunks.append(answer.chunk)
            arrived.append(track)
        following = Moment(
            start=moment.start, parent=moment, action=action, outcomes=tuple(outcomes), depth=moment.depth + 1
        )
        for track in arrived:
            track.arrive(following)
        return following, chunks

    def pin(self, moments: frozenset[Moment]) -> None:
        """Keep the states of these moments, where they are still there."""
        for track in self.tracks:
            track.kept.pinned = moments

    def close(self) -> None:
        """Close the twin, which was made here; the dream is its maker's. Twice is fine."""
        for track in self.tracks[1:]:
            track.env.close()

    def _twin_track(self) -> Track:
        """The twin, made on first use.

        Raises:
            ValueError: the dream has none, or it is of another world or size.
        """
        if len(self.tracks) == 1:
            if self._twin is None:
                raise ValueError(f"{self.world} has no twin here")
            env = self._twin.make()
            try:
                self._check_twin(env)
                track = Track(env, index=1, name=self._twin.name, undo_bytes=self._undo_bytes)
                self._on_twin(track)
            except BaseException:
                env.close()
                raise
            self.tracks.append(track)
        return self.tracks[1]

    def _check_twin(self, env: Env) -> None:
        world: Any = getattr(env.unwrapped, "world", None)
        if world != self.world:
            raise ValueError(f"the twin must be of the world {self.world!r}, got one of {world!r}")
        mine, theirs = self.tracks[0].env.observation_space.shape, env.observation_space.shape
        if mine != theirs:
            raise ValueError(f"the twin must show chunks of shape {mine} as the dream does, got {theirs}")
