"""What the tests of play on a web page share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("websockets", reason="play on a page needs websockets")

from tests.endless_worlds import set_termination_logit  # noqa: E402
from tests.play.browser.pages import Served, serving  # noqa: E402
from tests.worlds import tiny_general_model  # noqa: E402


@pytest.fixture(scope="session")
def general_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained model of two worlds, of which "steer" takes two numbers as well as texts."""
    folder = tmp_path_factory.mktemp("general")
    model = tiny_general_model(folder / "data")
    set_termination_logit(model, -9.0)
    model.save_pretrained(folder / "checkpoint")
    return folder / "checkpoint"


@pytest.fixture
def served(checkpoint: Path) -> Iterator[Served]:
    """A server of a tiny world."""
    with serving(checkpoint) as served:
        yield served
