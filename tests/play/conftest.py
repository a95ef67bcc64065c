"""What the tests of play share."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.play.worlds import Ledger, SavedLedger
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage, TwinMaker

MakeSession = Callable[..., Session]


@pytest.fixture
def make_session() -> MakeSession:
    """Makes sessions of a ledger, beside a twin that cannot save its state."""

    def make(env: Ledger | None = None, undo_bytes: int = 2**20, **options: Any) -> Session:
        chunk_frames = 1 if env is None else (env.observation_space.shape or ())[0]
        twin = TwinMaker(make=lambda: Ledger(chunk_frames))
        return Session(Stage(env or SavedLedger(), twin=twin, undo_bytes=undo_bytes), **options)

    return make
