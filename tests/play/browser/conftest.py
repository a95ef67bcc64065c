"""What the tests of play on a web page share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("websockets", reason="play on a page needs websockets")

from tests.play.browser.pages import Served, serving  # noqa: E402


@pytest.fixture
def served(checkpoint: Path) -> Iterator[Served]:
    """A server of a tiny world."""
    with serving(checkpoint) as served:
        yield served
