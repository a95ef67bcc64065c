"""Who may come in: the page and its WebSocket are for the browsers that were told to, and for no other site's scripts.

A site that points its own name at this machine (DNS rebinding) comes with that name as `Host`; a script of another site
comes with that site as `Origin`, which browsers do not let it change. Programs that are no browsers send no `Origin`.
"""

import base64
import hashlib
import hmac
import ipaddress
import re
import socket
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import quote, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from wm_gym.play.browser.config import BrowserConfig

SOCKET_PATH = "/play"


class Gate:
    """Answers what comes before a WebSocket is open.

    Args:
        config: where the server listens.
    """

    def __init__(self, config: BrowserConfig) -> None:
        self._token = config.token
        self._names = {"localhost", config.host.lower(), socket.gethostname().lower()}
        self._page = files("wm_gym.play.browser").joinpath("page/index.html").read_text("utf-8")
        self._policy = _content_policy(self._page)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The page, a refusal, or None to go on with the WebSocket."""
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        if len(hosts) != 1 or not self._knows(hosts[0]):
            return connection.respond(HTTPStatus.FORBIDDEN, "Open the page under the address that wm-gym printed.\n")
        path = request.path.partition("?")[0]
        if path == SOCKET_PATH:
            if any(urlsplit(origin).netloc.lower() != hosts[0].lower() for origin in origins):
                return connection.respond(HTTPStatus.FORBIDDEN, "Pages of other sites may not play.\n")
            return None
        if path == "/":
            return self._serve_page(connection)
        return connection.respond(HTTPStatus.NOT_FOUND, "The page is at /.\n")

    def admits(self, token: str) -> bool:
        """Whether a page knows what it must."""
        return self._token is None or hmac.compare_digest(token.encode(), self._token.encode())

    def _knows(self, host: str) -> bool:
        """Whether a `Host` is a number or a name of this machine: nobody else can make a browser send it here."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        return name in self._names or _is_address(name)

    def _serve_page(self, connection: ServerConnection) -> Response:
        response = connection.respond(HTTPStatus.OK, self._page)
        del response.headers["Content-Type"]
        response.headers.update(
            {
                "Content-Type": "text/html; charset=utf-8",
                "Content-Security-Policy": self._policy,
                "Cache-Control": "no-store",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            }
        )
        return response


def page_address(host: str, port: int, token: str | None) -> str:
    """What to open in a browser. The token stands where browsers keep it to themselves."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + ("" if token is None else f"#token={quote(token, safe='')}")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _content_policy(page: str) -> str:
    """The page may run and look as it is written, speak to its server, and nothing else."""
    rules = ["default-src 'none'", "connect-src 'self'", "img-src data: blob:", "base-uri 'none'", "form-action 'none'"]
    for tag in ("script", "style"):
        texts = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
        rules.append(f"{tag}-src " + " ".join(f"'sha256-{each}'" for each in hashes))
    return "; ".join([*rules, "frame-ancestors 'none'"])
