"""Who may come in: the page and its WebSocket are for the browsers that were told to, and for no other site's scripts.

A site that points its own name at this machine (DNS rebinding) comes with that name as `Host`; a script of another site
comes with that site as `Origin`, which browsers do not let it change. Programs that are no browsers send no `Origin`.
"""

import hmac
import ipaddress
import socket
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import quote, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from wm_gym.play.browser.config import BrowserConfig

SOCKET_PATH = "/play"
_KINDS = {"/": "html", "css": "css", "js": "javascript"}  # by what follows the last dot of the path
_POLICY = "; ".join(  # the page may run and look as it is written, speak to its server, and nothing else
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src data: blob:"),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    )
)


class Gate:
    """Answers what comes before a WebSocket is open.

    Args:
        config: where the server listens.
    """

    def __init__(self, config: BrowserConfig) -> None:
        self._token = config.token
        self._names = {"localhost", config.host.lower(), socket.gethostname().lower()}
        folder = files("wm_gym.play.browser").joinpath("page")
        self._files = {f"/{file.name}": file.read_text("utf-8") for file in folder.iterdir()}
        self._files["/"] = self._files.pop("/index.html")

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """A file of the page, a refusal, or None to go on with the WebSocket."""
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        if len(hosts) != 1 or not self._knows(hosts[0]):
            return connection.respond(HTTPStatus.FORBIDDEN, "Open the page under the address that wm-gym printed.\n")
        path = request.path.partition("?")[0]
        if path == SOCKET_PATH:
            if any(urlsplit(origin).netloc.lower() != hosts[0].lower() for origin in origins):
                return connection.respond(HTTPStatus.FORBIDDEN, "Pages of other sites may not play.\n")
            return None
        if path in self._files:
            return self._serve(connection, path)
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

    def _serve(self, connection: ServerConnection, path: str) -> Response:
        response = connection.respond(HTTPStatus.OK, self._files[path])
        del response.headers["Content-Type"]
        response.headers.update(
            {
                "Content-Type": f"text/{_KINDS[path.rpartition('.')[2]]}; charset=utf-8",
                "Content-Security-Policy": _POLICY,
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
