"""Requests: what one says, and which of two outdates the other."""

import pytest

from wm_gym.play.request import Request

LEFT, RIGHT, DRIVE = Request("act", "left"), Request("act", "right"), Request("drive")


@pytest.mark.parametrize(
    ("earlier", "later", "merged"),
    [
        (LEFT, RIGHT, RIGHT),
        (LEFT, DRIVE, DRIVE),
        (DRIVE, LEFT, LEFT),
        (Request("undo"), Request("undo", count=4), Request("undo", count=5)),
        (Request("redo"), Request("redo"), Request("redo", count=2)),
        (Request("reset"), Request("reset"), Request("reset")),
        (Request("undo"), Request("redo"), None),
        (LEFT, Request("undo"), None),
        (Request("bookmark", 1), Request("bookmark", 2), None),
    ],
)
def test_merge(earlier: Request, later: Request, merged: Request | None) -> None:
    assert earlier.merge(later) == merged


def test_an_impossible_count_is_refused() -> None:
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        Request("undo", count=0)


def test_equal_requests_hash_alike() -> None:
    assert len({Request("act", (0.5, 1.0)), Request("act", (0.5, 1.0))}) == 1
