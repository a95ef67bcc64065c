"""What the tests of play share."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.play.worlds import Ledger, SavedLedger
from wm_gym.play.camera import Camera
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage, TwinMaker
from wm_gym.play.window import Window
from wm_gym.play.window_config import WindowConfig

MakeSession = Callable[..., Session]
MakeWindow = Callable[..., Window]


@pytest.fixture
def make_session() -> MakeSession:
    """Makes sessions of a ledger, beside a twin that cannot save its state."""

    def make(env: Ledger | None = None, undo_bytes: int = 2**20, **options: Any) -> Session:
        chunk_frames = 1 if env is None else (env.observation_space.shape or ())[0]
        twin = TwinMaker(make=lambda: Ledger(chunk_frames))
        return Session(Stage(env or SavedLedger(), twin=twin, undo_bytes=undo_bytes), **options)

    return make


@pytest.fixture
def make_window() -> MakeWindow:
    """Makes windows of a ledger."""

    def make(env: Ledger | None = None, camera: Camera | None = None, **changes: object) -> Window:
        env = env or SavedLedger(step_seconds=0.5)
        left = changes.pop("on_leave", None)
        pilot = changes.pop("pilot_itself", None)
        session = Session(Stage(env, twin=TwinMaker(make=Ledger)), on_leave=left, pilot=pilot)  # type: ignore[arg-type]
        chunk_frames = (env.observation_space.shape or ())[0]
        values = {"frames_per_second": 50.0, "chunk_frames": chunk_frames, "key_map": env.key_map} | changes
        return Window(session, WindowConfig(**values), camera)  # type: ignore[arg-type]

    return make
