"""The worker: the latest input wins, no more than two wait, and what breaks is known."""

import time
from collections.abc import Callable

import pytest

from tests.play.worlds import SavedLedger
from wm_gym.play.request import Request
from wm_gym.play.scene import Scene
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage
from wm_gym.play.worker import MAX_WAITING, Inbox, Worker

THINK = Request("act", "think")


def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.002)


def slow_worker(seconds: float) -> Worker:
    """A worker whose session thinks that long about "think"."""
    return Worker(Session(Stage(SavedLedger(step_seconds=seconds))))


def drain(worker: Worker) -> list[Scene]:
    wait_until(lambda: worker.num_waiting == 0 and worker.thinking_seconds == 0)
    return worker.take()


def test_the_latest_action_wins() -> None:
    inbox = Inbox()
    for text in ("a", "b", "c"):
        inbox.push(Request("act", text))
    assert (len(inbox), inbox.pop()) == (1, Request("act", "c"))


def test_no_more_than_two_wait() -> None:
    inbox = Inbox()
    for request in (Request("act", "a"), Request("bookmark", 1), Request("branch", 1), Request("undo")):
        inbox.push(request)
        assert len(inbox) <= MAX_WAITING
    assert [inbox.pop(), inbox.pop()] == [Request("act", "a"), Request("undo")]


def test_steps_back_add_up_while_the_model_thinks() -> None:
    worker = slow_worker(0.2)
    for request in (Request("act", "good"), THINK):
        worker.push(request)
        wait_until(lambda: worker.num_waiting == 0)
    worker.push(Request("undo"))
    worker.push(Request("undo"))
    assert worker.num_waiting == 1
    assert [scene.step for scene in drain(worker)] == [1, 2, 0]
    worker.close()


def test_pushing_never_waits_for_the_model() -> None:
    worker = slow_worker(0.3)
    worker.push(THINK)
    wait_until(lambda: worker.thinking_seconds > 0)
    begin = time.perf_counter()
    for _ in range(100):
        worker.push(Request("act", "good"))
    assert time.perf_counter() - begin < 0.2
    assert [scene.action for scene in drain(worker)] == ["think", "good"]
    worker.close()


def test_a_scene_wakes_who_waits_for_it() -> None:
    calls: list[int] = []
    worker = Worker(Session(Stage(SavedLedger())), lambda: calls.append(1))
    worker.push(Request("act", "good"))
    wait_until(lambda: bool(calls))
    assert not worker.idle  # until the scene is taken
    assert worker.take()[0].action == "good"
    assert worker.idle
    worker.close()


def test_a_refused_request_is_a_scene() -> None:
    worker = slow_worker(0)
    worker.push(Request("branch", 1))
    (scene,) = drain(worker)
    assert scene.failed
    assert worker.error is None
    worker.close()


def test_what_breaks_the_session_is_kept() -> None:
    worker = slow_worker(0)
    worker.push(Request("act", "break"))
    wait_until(lambda: worker.error is not None)
    with pytest.raises(RuntimeError, match="the ledger broke"):
        raise worker.error or AssertionError
    worker.close()


def test_close_leaves_a_model_behind_that_takes_too_long() -> None:
    worker = slow_worker(1.0)
    worker.push(THINK)
    wait_until(lambda: worker.thinking_seconds > 0)
    begin = time.perf_counter()
    worker.close(timeout=0.05)
    assert time.perf_counter() - begin < 0.8
    worker.close()
