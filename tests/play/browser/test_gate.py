"""The gate: other sites' scripts, rebound names and pages without the token stay out."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.play.browser.pages import Served, serving
from wm_gym.play.browser.config import BrowserConfig, is_loopback
from wm_gym.play.browser.gate import page_address


def get(address: str, **headers: str) -> tuple[int, str]:
    """Status and body of a page."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_page_is_served_and_nothing_else(served: Served) -> None:
    status, page = get(served.address)
    assert (status, page[:15]) == (200, "<!doctype html>")
    for path in ("../../etc/passwd", "index.html", "page/main.js", "../gate.py", "main.js/", "%2e%2e/gate.py"):
        assert get(f"{served.address}{path}")[0] == 404
    assert "import" in get(f"{served.address}main.js?v=1")[1]


def test_every_file_of_the_page_says_what_it_is_and_may_load_no_other_sites(served: Served) -> None:
    kinds = {}
    for name in ("", "page.css", "main.js"):
        with urllib.request.urlopen(served.address + name, timeout=10) as answer:
            kinds[name] = answer.headers["Content-Type"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            policy = answer.headers["Content-Security-Policy"].split("; ")
            assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert kinds == {
        "": "text/html; charset=utf-8",
        "page.css": "text/css; charset=utf-8",
        "main.js": "text/javascript; charset=utf-8",
    }


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "localhost.evil:80"])
def test_a_rebound_name_gets_nothing(served: Served, host: str) -> None:
    assert get(served.address, Host=host)[0] == 403
    with pytest.raises(InvalidStatus, match="403"):
        served.connect(additional_headers={"Host": host})


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "[::1]:80", "192.168.0.7:8000"])
def test_a_tunnel_to_this_machine_works(served: Served, host: str) -> None:
    assert get(served.address, Host=host)[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1", "null", "http://127.0.0.1"])
def test_a_script_of_another_site_cannot_play(served: Served, origin: str) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        served.connect(origin=origin)
    assert served.server.players == {}


def test_the_page_itself_can(served: Served) -> None:
    page = served.enter(origin=served.address.rstrip("/"))
    assert page.welcome()["session"] in served.server.players


@pytest.mark.parametrize("token", ["", "wrong", "geheim-geheim-geheim", "ÿ"])
def test_a_wrong_token_keeps_out(checkpoint: Path, token: str) -> None:
    with serving(checkpoint, BrowserConfig(port=0, token="a secret of 8")) as served:
        assert served.address.endswith("/#token=a%20secret%20of%208")
        with pytest.raises(ConnectionClosed) as caught:
            served.enter(token=token).hear()
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 4403
        assert served.server.players == {}
        served.enter(token="a secret of 8").welcome()


def test_a_host_that_others_reach_always_has_a_token() -> None:
    first, second = (BrowserConfig(host="0.0.0.0").token for _ in range(2))
    assert first is not None and len(first) >= 16
    assert first != second
    assert BrowserConfig().token is None
    assert [is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "::", "192.168.0.7", "example")] == [
        *(True, True, True),
        *(False, False, False),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 70_000}, "port must be from 0 to 65535, got 70000"),
        ({"token": "short"}, "token must have at least 8 ASCII characters, got 'short'"),
        ({"token": ""}, "token must have at least 8"),
        ({"max_players": 0}, "max_players must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BrowserConfig(**options)  # type: ignore[arg-type]


def test_addresses_are_written_as_browsers_want_them() -> None:
    assert page_address("::1", 80, None) == "http://[::1]:80/"
    assert page_address("10.0.0.1", 8000, "a/b#c") == "http://10.0.0.1:8000/#token=a%2Fb%23c"
