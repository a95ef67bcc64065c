"""What is held goes on at the world's pace, the latest of it."""

import pytest

from wm_gym.play.hands import FIRST_REPEAT, Hands
from wm_gym.play.request import Request

LEFT, RIGHT, IDLE = Request("act", "left"), Request("act", "right"), Request("act", "")
STEP = 0.1  # seconds


@pytest.fixture
def hands() -> Hands:
    return Hands(STEP)


def test_a_world_that_waits_stays_while_nothing_is_held(hands: Hands) -> None:
    assert hands.due(100.0, None) is None
    assert hands.seconds_left(100.0, None) is None


def test_time_runs_once_a_step(hands: Hands) -> None:
    due = [hands.due(now / 100, IDLE) for now in range(1000, 1100)]
    assert due.count(IDLE) == 10


def test_a_held_key_repeats_after_a_while(hands: Hands) -> None:
    hands.press("left", LEFT, 10.0, repeats=True, running=False)
    assert hands.due(10.0 + FIRST_REPEAT - 0.01, None) is None
    assert hands.due(10.0 + FIRST_REPEAT + 0.01, None) == LEFT
    assert hands.due(10.0 + FIRST_REPEAT + 0.05, None) is None
    assert hands.due(10.0 + FIRST_REPEAT + STEP + 0.02, None) == LEFT


def test_a_held_key_goes_on_at_once_where_time_runs(hands: Hands) -> None:
    hands.press("left", LEFT, 10.0, repeats=True, running=True)
    assert hands.due(10.0 + STEP / 2, IDLE) is None
    assert hands.due(10.0 + STEP, IDLE) == LEFT


def test_the_latest_key_wins_and_the_one_before_comes_back(hands: Hands) -> None:
    hands.press("left", LEFT, 0.0, repeats=True, running=True)
    hands.press("right", RIGHT, 0.0, repeats=True, running=True)
    assert hands.due(1.0, IDLE) == RIGHT
    hands.release("right")
    assert hands.due(2.0, IDLE) == LEFT
    hands.release("left")
    assert hands.due(3.0, IDLE) == IDLE


def test_what_does_not_repeat_is_done_once(hands: Hands) -> None:
    hands.press("f7", Request("reset"), 0.0, repeats=False, running=False)
    assert hands.due(100.0, None) is None


def test_letting_all_go_stops(hands: Hands) -> None:
    hands.press("left", LEFT, 0.0, repeats=True, running=False)
    hands.release_all()
    assert hands.due(100.0, None) is None


def test_seconds_left_tell_when_to_look_again(hands: Hands) -> None:
    assert hands.due(5.0, IDLE) == IDLE
    assert hands.seconds_left(5.04, IDLE) == pytest.approx(0.06)


def test_time_keeps_its_beat_when_each_look_comes_late(hands: Hands) -> None:
    looks = [10.0 + 0.033 * number for number in range(100)]  # seconds
    assert sum(hands.due(now, IDLE) is not None for now in looks) == pytest.approx(looks[-1] / STEP - 100, abs=1)


def test_beats_that_were_missed_are_not_made_up_for(hands: Hands) -> None:
    hands.due(1.0, IDLE)
    assert [hands.due(now, IDLE) for now in (5.0, 5.01, 5.05)] == [IDLE, None, None]
