"""A connection: heads that never come end it, and whoever keeps many open does not lock the others out for long."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.serve.servers import PATIENCE, Served, heard
from wm_gym.serve import protocol

STATS = b"GET /stats/summary HTTP/1.1\r\nHost: localhost\r\n"


@contextmanager
def connected(served: Served) -> Iterator[socket.socket]:
    """A connection that says nothing yet."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as connection:
        yield connection


def answered(connection: socket.socket) -> bytes:
    """One JSON answer of a connection that stays open."""
    said = b""
    while not said.endswith(b"}"):
        part = connection.recv(2**16)
        assert part, said
        said += part
    return said


def dripped(connection: socket.socket) -> bytes:
    """What comes back to a head without end, a byte now and then."""
    connection.sendall(STATS + b"X: ")
    connection.settimeout(0.05)
    for _ in range(400):
        connection.sendall(b"x")
        try:
            answer = connection.recv(2**16)
        except TimeoutError:
            continue
        connection.settimeout(PATIENCE)
        return answer if answer.endswith(b"}") else answer + answered(connection)  # in packets of their own
    raise AssertionError("the server must lose its patience")


def test_who_sends_nothing_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    with connected(served) as connection:
        assert heard(connection) == b""


def test_a_head_that_drips_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with connected(served) as connection:
        answer = dripped(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"must arrive within 0.3 s" in answer


def test_a_later_head_that_drips_is_refused_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with connected(served) as connection:
        connection.sendall(STATS + b"\r\n")
        assert answered(connection).startswith(b"HTTP/1.1 200")
        time.sleep(0.6)  # the pause between two requests is another matter
        connection.sendall(STATS + b"\r\n")
        assert answered(connection).startswith(b"HTTP/1.1 200")
        assert dripped(connection).startswith(b"HTTP/1.1 408")


def test_a_body_has_a_time_of_its_own(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    with connected(served) as connection:
        connection.sendall(b"POST /generate/continue HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{")
        time.sleep(0.3)
        connection.sendall(b"}")
        assert answered(connection).startswith(b"HTTP/1.1 422")


def test_one_connection_too_many_is_told_to_come_back(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.http.close()  # it may hold some
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 8)
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(connected(served))
        head, _, body = served.speak(STATS + b"\r\n").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in head.lower()
        assert json.loads(body)["reason"] == "busy"
    end = time.monotonic() + PATIENCE
    while not served.speak(STATS + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200"):
        assert time.monotonic() < end
