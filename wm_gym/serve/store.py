"""States by id, within a number and a size: the one that was not used for longest goes first."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from wm_gym.serve.problem import Problem
from wm_gym.world_state import WorldState

REMEMBERED = 65536  # ids of states that are gone, to tell why


@dataclass(frozen=True, kw_only=True)
class StoredState:
    """A state and how it came about; it never changes.

    Attributes:
        state_id: its name.
        video_id: the tree that it belongs to.
        world: the name of its world.
        state: of one world.
        rounds: since the start.
        reward: of the round that led here.
        terminated: whether that round ended the episode.
        termination_probability: what `terminated` was thresholded from.
        uncertainty: of the round.
    """

    state_id: str
    video_id: str
    world: str
    state: WorldState
    rounds: int
    reward: float
    terminated: bool
    termination_probability: float
    uncertainty: float


class StateStore:
    """Keeps states.

    Attributes:
        max_states: most states.
        max_bytes: most bytes of their tensors.
        num_bytes: bytes that they take now.
        num_evicted: states that had to go so far.

    Args:
        max_states: at least 1.
        max_bytes: room for one state at least.
        on_leave: told of every state that goes.
    """

    def __init__(self, max_states: int, max_bytes: int, on_leave: Callable[[StoredState], None]) -> None:
        self.max_states = max_states
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self.num_evicted = 0
        self._on_leave = on_leave
        self._states: OrderedDict[str, StoredState] = OrderedDict()  # the last used at the end
        self._videos: dict[str, set[str]] = {}
        self._gone: OrderedDict[str, str] = OrderedDict()  # id -> reason

    def __len__(self) -> int:
        return len(self._states)

    @property
    def num_videos(self) -> int:
        """Videos that have a state here."""
        return len(self._videos)

    def add(self, stored: StoredState) -> None:
        """Keep a state; others go until there is room."""
        self._states[stored.state_id] = stored
        self._videos.setdefault(stored.video_id, set()).add(stored.state_id)
        self.num_bytes += stored.state.nbytes
        while len(self._states) > self.max_states or (self.num_bytes > self.max_bytes and len(self._states) > 1):
            self._remove(next(iter(self._states)), "evicted")
            self.num_evicted += 1

    def get(self, state_id: str) -> StoredState:
        """A state, which was used now.

        Raises:
            Problem: 410 where it was evicted or deleted, 404 where it was never here, or is long gone.
        """
        if state_id in self._states:
            self._states.move_to_end(state_id)
            return self._states[state_id]
        if self._gone.get(state_id) == "evicted":
            raise Problem(
                410,
                "evicted",
                f"state_id must be of a state that is kept, got {state_id!r}, which was evicted: the last "
                f"{self.max_states} used are, within {self.max_bytes >> 20} MiB; repeat prompts from an earlier one",
            )
        if state_id in self._gone:
            raise Problem(410, "deleted", f"state_id must be of a state that is kept, got {state_id!r}: it was deleted")
        raise Problem(404, "unknown", f"state_id must be one that this server gave, got {ascii(state_id)}")

    def delete_video(self, video_id: str) -> int:
        """Delete the states of a video; how many they were."""
        names = list(self._videos.get(video_id, ()))
        for name in names:
            self._remove(name, "deleted")
        return len(names)

    def delete_all(self) -> int:
        """Delete every state; how many they were."""
        return sum(self.delete_video(video_id) for video_id in list(self._videos))

    def _remove(self, state_id: str, reason: str) -> None:
        stored = self._states.pop(state_id)
        self.num_bytes -= stored.state.nbytes
        siblings = self._videos[stored.video_id]
        siblings.remove(state_id)
        if not siblings:
            del self._videos[stored.video_id]
        self._gone[state_id] = reason
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
        self._on_leave(stored)
