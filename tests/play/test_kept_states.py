"""Kept states stay within their budget and lie where going back needs them."""

import pytest

from wm_gym.play.kept_states import KeptStates
from wm_gym.play.moment import Moment, Start
from wm_gym.play.spool import Spool


def line(length: int, parent: Moment | None = None) -> list[Moment]:
    """Moments in a row, the start first or, with a parent, what follows it."""
    if parent is None:
        start = Start(seed=0, spool=Spool((1, 1, 1, 3)), roots=(0,), facts=({},))
        parent = Moment(start=start, parent=None, action="", outcomes=(), depth=0)
    moments = [parent]
    for _ in range(length):
        last = moments[-1]
        moments.append(Moment(start=last.start, parent=last, action="", outcomes=(), depth=last.depth + 1))
    return moments


def keep_all(kept: KeptStates, moments: list[Moment]) -> None:
    for moment in moments:
        kept.keep(moment, moment.depth)
        assert len(kept) <= kept.max_states + len(kept.pinned)


def steps_to_replay(kept: KeptStates, moment: Moment) -> int:
    return next(count for count, each in enumerate(moment.back()) if each in kept or each.parent is None)


@pytest.mark.parametrize("max_states", [2, 3, 17, 200])
def test_the_budget_holds(max_states: int) -> None:
    keep_all(KeptStates(max_states), line(1000)[1:])


def test_replays_are_short_for_their_age() -> None:
    moments = line(4000)
    kept = KeptStates(200)
    keep_all(kept, moments[1:])
    for age in (1, 10, 50, 200, 1000, 3000):
        assert steps_to_replay(kept, moments[-1 - age]) <= max(1, age // 10), age


def test_the_present_stays() -> None:
    moments = line(50)
    kept = KeptStates(2)
    keep_all(kept, moments[1:])
    assert moments[-1] in kept


def test_what_was_undone_goes_first() -> None:
    moments = line(10)
    kept = KeptStates(10)
    keep_all(kept, moments[1:])
    branch = line(1, parent=moments[4])[1]
    kept.keep(branch, "branch")
    assert all(moment in kept for moment in moments[1:5])
    assert not any(moment in kept for moment in moments[6:])


def test_pinned_states_stay() -> None:
    moments = line(500)
    kept = KeptStates(5)
    kept.pinned = frozenset({moments[3]})
    keep_all(kept, moments[1:])
    assert kept[moments[3]] == 3


def test_other_episodes_are_forgotten_but_for_what_is_pinned() -> None:
    old, new = line(5), line(1)
    kept = KeptStates(10)
    keep_all(kept, old[1:])
    kept.pinned = frozenset({old[2]})
    kept.forget_others(new[0])
    assert [moment in kept for moment in old[1:]] == [False, True, False, False, False]
