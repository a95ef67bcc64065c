"""The door: tokens, strangers' pages, bodies that are too large or never come, and noise on the socket."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.servers import Served, problem_of, result_of, serving, wait_until
from wm_gym.serve import porter

TOKEN = "correct-horse-battery"
HUNDRED_MEGABYTES = 100 * 2**20


@pytest.fixture(scope="module")
def guarded(checkpoint: Path) -> Iterator[Served]:
    """A server with a token."""
    with serving(checkpoint, token=TOKEN) as served:
        yield served


class Stream:
    """Sends zeros, and knows how many were taken."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        while self.taken < self.size:
            self.taken += 2**16
            yield bytes(2**16)


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", f"Basic {TOKEN}", "Bearer wrong", f"Bearer {TOKEN}x", TOKEN, "Bearer \u00e9".encode()]
)
def test_who_does_not_know_the_token_stays_out(guarded: Served, given: str | bytes | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    for method, path in (("GET", "/stats/summary"), ("DELETE", "/states/all"), ("POST", "/generate/continue")):
        response = guarded.http.request(method, path, headers=headers)  # type: ignore[arg-type]
        assert problem_of(response) == (401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("password", ["", "wrong", TOKEN + "x", TOKEN[:-1], f"x:{TOKEN}"])
def test_a_url_brings_the_token_as_its_password(guarded: Served, password: str) -> None:
    assert guarded.http.get("/stats/summary", auth=("pan", TOKEN)).status_code == 200
    assert problem_of(guarded.http.get("/stats/summary", auth=("pan", password))) == (401, "unauthorized")


def test_who_knows_the_token_comes_in_under_any_name(guarded: Served) -> None:
    headers = {"Authorization": f"bearer {TOKEN}", "Host": "worlds.example.org"}
    assert guarded.http.get("/stats/summary", headers=headers).status_code == 200


def test_everybody_may_read_the_documentation(guarded: Served) -> None:
    assert guarded.http.get("/docs").status_code == guarded.http.get("/openapi.json").status_code == 200


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:8000", "[", ""])
def test_a_site_that_points_its_name_here_stays_out(served: Served, host: str) -> None:
    assert problem_of(served.http.get("/stats/summary", headers={"Host": host})) == (403, "forbidden")


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", "http://127.0.0.1:1", "http://["])
def test_pages_of_other_sites_stay_out(served: Served, origin: str) -> None:
    response = served.http.post("/generate/first_round", headers={"Origin": origin})
    assert problem_of(response) == (403, "forbidden")


def test_the_own_documentation_may_ask(served: Served) -> None:
    assert served.http.get("/stats/summary", headers={"Origin": served.address}).status_code == 200


def test_a_body_of_100_megabytes_is_refused(served: Served) -> None:
    stream = Stream(HUNDRED_MEGABYTES)
    headers = {"Content-Length": str(HUNDRED_MEGABYTES)}
    response = served.http.post("/generate/first_round", content=iter(stream), headers=headers)
    assert problem_of(response) == (413, "too_large")
    assert f"got {HUNDRED_MEGABYTES}" in response.json()["detail"]
    assert result_of(served.first())["rounds"] == 0


def test_a_body_that_does_not_say_how_long_it_is_ends_at_the_limit(served: Served) -> None:
    stream = Stream(HUNDRED_MEGABYTES)
    assert problem_of(served.http.post("/generate/first_round", content=iter(stream))) == (413, "too_large")
    assert result_of(served.first())["rounds"] == 0


def test_only_pictures_may_be_large(served: Served) -> None:
    response = served.http.post("/generate/continue", content=bytes(2**16 + 1))
    assert problem_of(response) == (413, "too_large")


def test_a_stranger_cannot_send_a_large_body_either(guarded: Served) -> None:
    stream = Stream(HUNDRED_MEGABYTES)
    assert problem_of(guarded.http.post("/generate/first_round", content=iter(stream))) == (401, "unauthorized")


def test_a_refused_body_is_taken_for_a_moment_so_that_no_reset_eats_the_answer(served: Served) -> None:
    size = 20 * 2**20
    head = b"POST /generate/first_round HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size
    answer = served.speak(head + bytes(size))  # sends all of it, or raises
    assert answer.startswith(b"HTTP/1.1 413") and answer.endswith(b"}")


def test_a_refused_body_without_end_is_not_taken_for_ever(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porter, "DRAIN_SECONDS", 0.1)
    begun = time.monotonic()
    assert problem_of(served.http.post("/generate/first_round", content=iter(Stream(2**60)))) == (413, "too_large")
    assert time.monotonic() - begun < 10


def test_a_body_that_never_comes_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porter, "BODY_SECONDS", 0.1)
    monkeypatch.setattr(porter, "DRAIN_SECONDS", 0.1)
    head = b"POST /generate/continue HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"
    assert served.speak(head).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /generate/continue HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /generate/continue HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /generate/continue HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"GET /stats/summary HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
    ids=range(7),
)
def test_noise_on_the_socket_is_refused(served: Served, data: bytes) -> None:
    try:
        head, _, body = served.speak(data).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400")
        assert json.loads(body)["reason"] == "malformed"
    except ConnectionResetError:
        pass  # the rest of it was still on its way
    assert result_of(served.first())["rounds"] == 0


def test_who_leaves_while_waiting_harms_nobody(served: Served) -> None:
    root = served.root()["new_state_id"]
    finished = served.stats()["finished_tasks"]
    body = b'{"state_id": "%s", "new_prompt": "", "denoising_steps": 100}' % root.encode()
    head = b"POST /generate/continue?wait=20 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        wait_until(lambda: served.stats()["tasks_processing_by_lb"] == 1 or served.stats()["finished_tasks"] > finished)
    assert result_of(served.proceed(root))["rounds"] == 1
