"""Saved states of an env within a budget: dense near the present, sparser the longer ago. The rest is replayed."""

from collections.abc import Set
from typing import Any

from wm_gym.play.moment import Moment

_DROPPED_AT_ONCE = 16  # in parts of the budget: choosing costs more than dropping


class KeptStates:
    """States by moment, at most `max_states` of them and those that are pinned.

    Over the budget, the states go whose loss makes a gap grow least for its age, so gaps stay in proportion to age:
    going back a thousand steps replays a few, going back a hundred replays none.

    Attributes:
        max_states: at least 2.
        pinned: moments whose states stay (bookmarks).
    """

    def __init__(self, max_states: int) -> None:
        self.max_states = max_states
        self.pinned: Set[Moment] = frozenset()
        self._states: dict[Moment, Any] = {}

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, moment: Moment) -> bool:
        return moment in self._states

    def __getitem__(self, moment: Moment) -> Any:
        return self._states[moment]

    def keep(self, moment: Moment, state: Any) -> None:
        """Keep the state of a moment, the present one."""
        self._states[moment] = state
        if len(self._states) > self.max_states:
            for each in self._least_missed(moment, 1 + self.max_states // _DROPPED_AT_ONCE):
                del self._states[each]

    def forget_others(self, moment: Moment) -> None:
        """Drop what belongs to other episodes than the moment's, but for what is pinned."""
        start = moment.start
        self._states = {
            each: state for each, state in self._states.items() if each.start is start or each in self.pinned
        }

    def _least_missed(self, present: Moment, count: int) -> list[Moment]:
        """Some states to drop, no two side by side: what was undone first, then where the gap matters least."""
        free = sorted((each for each in self._states if each not in self.pinned), key=lambda each: each.depth)
        undone = [each for each in free if each.depth > present.depth]
        if undone:
            return undone
        free = [each for each in free if each is not present]
        depths = [0, *(each.depth for each in free), present.depth]
        costs = [
            (later - earlier) / (present.depth - depth + 1)
            for earlier, depth, later in zip(depths, depths[1:], depths[2:], strict=False)
        ]
        chosen: set[int] = set()
        for index in sorted(range(len(free)), key=costs.__getitem__):
            if len(chosen) == count:
                break
            if not {index - 1, index + 1} & chosen:
                chosen.add(index)
        return [free[index] for index in chosen]
