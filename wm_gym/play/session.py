"""A playable world without a screen: a history of moments under a few requests, the dream alone or beside its twin."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np

from wm_gym.play.moment import Moment
from wm_gym.play.pilot import Pilot, Policy
from wm_gym.play.request import NUM_SLOTS, Action, Request
from wm_gym.play.scene import Panel, Scene
from wm_gym.play.stage import Chunk, Stage
from wm_gym.play.start_image import read_start_image

USER_ERRORS = (ValueError, OSError, ImportError, gym.error.Error)  # they are told, and play goes on
VIEWS = ("dream", "both", "real")
OVER = "the episode is over: undo a step, go to a bookmark or reset"


class Session:
    """A world being played: `session.apply(Request("act", "turn left"))` returns the scene to show.

    Moments are values and undo only moves a cursor; an env is taken to the cursor when it has to step. States are kept
    within a budget and replayed beyond it, so undo reaches any step back and is exact. One thread at a time.

    Args:
        stage: the envs.
        seed: of the first episode.
        pilot: the policy for `drive`.
        on_leave: called with the last moment of every line of play that ends: on a reset, a branch and `close`.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        seed: int = 0,
        pilot: Pilot | None = None,
        on_leave: Callable[[Moment], None] | None = None,
    ) -> None:
        self.stage = stage
        self._pilot = pilot
        self._policy: tuple[Moment, Policy] | None = None  # after its last action
        self._on_leave = on_leave
        self._left: Moment | None = None
        self._view = "dream"
        self._undone: list[Moment] = []
        self._bookmarks: dict[int, Moment] = {}
        self.now = self.stage.begin(seed)

    def apply(self, request: Request) -> Scene:
        """Do what is asked and return what it shows.

        Raises:
            ValueError: it cannot be done. The history stays as it was.
            OSError: an image cannot be read, or the disk is full.
            gymnasium.error.Error: the twin cannot be had.
        """
        match request.name:
            case "act":
                return self._act(request.value)
            case "drive":
                return self._drive()
            case "undo":
                return self._undo(request.count)
            case "redo":
                return self._redo(request.count)
            case "bookmark":
                return self._bookmark(_slot(request.value))
            case "branch":
                return self._branch(_slot(request.value))
            case "reset":
                return self._reset(self.now.start.seed + 1 if request.value is None else request.value)
            case "start":
                return self._start(request.value)
            case "view":
                return self._look(request.value)

    def attempt(self, request: Request) -> Scene:
        """Do what is asked, or show why it cannot be done."""
        try:
            return self.apply(request)
        except USER_ERRORS as error:
            message = str(error).encode(errors="replace").decode()  # names of files may hold what no text can
            return self.scene(" ".join(message.split()), failed=True)

    def scene(self, message: str = "", *, failed: bool = False) -> Scene:
        """What there is to see now, at rest."""
        return self._show([self.now.chunk(index)[-1:] for index in range(len(self.now.outcomes))], message, failed)

    def close(self) -> None:
        """End the line of play: hand over what was recorded of it, and close the twin. Scenes can still be had.

        Raises:
            ValueError: what was recorded cannot be saved.
        """
        try:
            self._leave()
        finally:
            self.stage.close()

    def _act(self, action: Action) -> Scene:
        if self.now.ended:
            raise ValueError(OVER)
        self.now, chunks = self.stage.step(self.now, action)
        self._undone.clear()
        return replace(self._show(chunks), latencies=self.stage.latencies)

    def _drive(self) -> Scene:
        """Let the policy act; it starts afresh where it did not lead to this moment."""
        if self._pilot is None:
            raise ValueError("a policy must be named before it can drive, got none; play with --policy")
        index = 1 if self._pilot.needs_twin and len(self.now.outcomes) > 1 else 0
        if self.now.outcomes[index].ended:
            raise ValueError(OVER)
        track = self.stage.tracks[index]
        track.seek(self.now)
        rng = np.random.default_rng([self.now.start.seed, self.now.depth])
        try:
            goes_on = self._policy is not None and self._policy[0] is self.now
            policy = self._policy[1] if self._policy and goes_on else self._pilot.factory(track.env, rng)
            answer = policy(self.now.chunk(index))
        except Exception as error:  # anybody's code; scripted experts fit the twin only
            raise ValueError(
                f"policy {self._pilot.name} must play the {track.name}, got {error!r}; "
                "one that reads the simulator plays where the twin does: F9, or --view both"
            ) from error
        scene = self._act(_to_action(answer))
        self._policy = (self.now, policy)
        return replace(scene, driver=self._pilot.name)

    def _undo(self, count: int) -> Scene:
        for _ in range(count):
            if self.now.parent is None:
                return self.scene("this is the start")
            self._undone.append(self.now)
            self.now = self.now.parent
        return self.scene()

    def _redo(self, count: int) -> Scene:
        for _ in range(count):
            if not self._undone:
                return self.scene("there is nothing left to redo")
            self.now = self._undone.pop()
        return self.scene()

    def _bookmark(self, slot: int) -> Scene:
        self._bookmarks[slot] = self.now
        self.stage.pin(frozenset(self._bookmarks.values()))
        return self.scene(f"bookmark {slot} is step {self.now.depth} of seed {self.now.start.seed}")

    def _branch(self, slot: int) -> Scene:
        if slot not in self._bookmarks:
            raise ValueError(f"bookmark {slot} is empty; keep a moment there first (F1 shows how)")
        self._go(self._bookmarks[slot])
        return self.scene(f"on from bookmark {slot}")

    def _reset(self, seed: int) -> Scene:
        if not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed must be an integer from 0 up, got {seed!r}")
        self._go(self.stage.begin(seed, beside_twin=self._view != "dream"))
        return self.scene()

    def _start(self, path: Any) -> Scene:
        frames = read_start_image(path, self.stage.frame_size)
        self._go(self.stage.begin(self.now.start.seed, frames=frames))
        self._view = "dream"  # no simulator starts from a picture
        return self.scene()

    def _look(self, view: str | None) -> Scene:
        """Show the twin or hide it; where it does not play yet, an episode begins at its start."""
        view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)] if view is None else view
        if view not in VIEWS:
            raise ValueError(f"view must be one of {', '.join(VIEWS)}, got {view!r}")
        if view != "dream" and len(self.now.outcomes) == 1:
            self._go(self.stage.begin(self.now.start.seed, beside_twin=True))
        self._view = view
        return self.scene()

    def _go(self, moment: Moment) -> None:
        """Leave this line of play for another."""
        self._leave()
        self.now = self._left = moment
        self._undone.clear()

    def _leave(self) -> None:
        """Hand over the line of play, if it is new."""
        if self._on_leave is not None and self.now.parent is not None and self.now is not self._left:
            self._on_leave(self.now)
        self._left = self.now

    def _show(self, chunks: list[Chunk], message: str = "", failed: bool = False) -> Scene:
        """The scene of the present moment with these frames, one chunk an outcome."""
        now = self.now
        hidden = {"dream": 1, "both": None, "real": 0}[self._view]
        shown = [index for index in range(len(chunks)) if index != hidden]
        panels = []
        for index in shown or [0]:
            outcome = now.outcomes[index]
            ended = "terminated" if outcome.terminated else "truncated" if outcome.truncated else ""
            name = self.stage.tracks[index].name
            panels.append(
                Panel(name=name, chunk=chunks[index], reward=outcome.reward, total=outcome.total, ended=ended)
            )
        return Scene(
            world=self.stage.world,
            panels=tuple(panels),
            action=now.action,
            step=now.depth,
            seed=now.start.seed,
            num_undone=len(self._undone),
            bookmarks=tuple(sorted(self._bookmarks)),
            uncertainty=now.outcomes[0].uncertainty,
            message=message,
            failed=failed,
        )


def _to_action(answer: Any) -> Action:
    """What a policy answered, as an action.

    Raises:
        ValueError: it is no action.
    """
    if isinstance(answer, str):
        return answer
    try:
        return tuple(map(float, answer))
    except (TypeError, ValueError) as error:
        raise ValueError(f"policy must answer with a text or a row of numbers, got {answer!r}") from error


def _slot(value: Any) -> int:
    """The number of a bookmark.

    Raises:
        ValueError: there is no such slot.
    """
    if not isinstance(value, int) or not 1 <= value <= NUM_SLOTS:
        raise ValueError(f"bookmark must be a number from 1 to {NUM_SLOTS}, got {value!r}")
    return value
