"""Who may come in, and with what: before a request reaches the API, its sender and its body are checked.

Without a token the server trusts everything on this machine, and browsers are on it too. A site that points its own
name here (DNS rebinding) comes with that name as `Host`; a script of another site comes with that site as `Origin`,
which browsers do not let it change.
"""

import asyncio
import base64
import hmac
import ipaddress
import socket
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wm_gym.serve.config import ServeConfig
from wm_gym.serve.forms import check_form
from wm_gym.serve.problem import Problem

BODY_SECONDS = 60.0  # that a body may take to arrive
DRAIN_SECONDS = 2.0  # that a refused body is still taken, and dropped
SMALL_BODY = 2**16  # bytes of a body that holds no picture
OPEN_PATHS = ("/docs", "/openapi.json")  # what everybody may read
UPLOAD_PATH = "/generate/first_round"


class Porter:
    """Lets requests in, with their whole body.

    Args:
        app: behind the door.
        config: where the server listens, its token and its limits.
    """

    def __init__(self, app: ASGIApp, config: ServeConfig) -> None:
        self._app = app
        self._token = config.token
        self._max_upload = config.max_upload_megabytes * 2**20
        self._names = {"localhost", config.host.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check_sender(scope["path"], Headers(scope=scope))
            body = await self._read(scope, receive)
            if body is not None and scope["path"] == UPLOAD_PATH:
                check_form(Headers(scope=scope).get("content-type"), body)
        except Problem as problem:
            await refuse(problem, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    def _check_sender(self, path: str, headers: Headers) -> None:
        """See who sends a request.

        Raises:
            Problem: 401 without the token, 403 from a browser on another site.
        """
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if self._token is None and not (len(hosts) == 1 and self._knows(hosts[0])):
            raise Problem(403, "forbidden", f"Host must be a number or a name of this machine, got {ascii(hosts)}")
        if any(not hosts or _host_of(origin) != hosts[0].lower() for origin in origins):
            raise Problem(403, "forbidden", f"Origin must be this server, got {ascii(origins)}: a page of another site")
        if self._token is not None and path not in OPEN_PATHS and not self._admits(headers.getlist("authorization")):
            rule = "Authorization must be 'Bearer TOKEN' with the server's token, or 'Basic' with it as password"
            raise Problem(401, "unauthorized", f"{rule}, got {'another' if headers.get('authorization') else 'none'}")

    def _admits(self, given: list[str]) -> bool:
        """Whether a request knows the token; comparing takes as long however much of it is right."""
        scheme, _, rest = (given[0] if len(given) == 1 else "").partition(" ")
        credentials = rest.strip()
        token = {"bearer": credentials.encode(), "basic": _password(credentials)}.get(scheme.lower(), b"")
        return hmac.compare_digest(token, (self._token or "").encode())

    def _knows(self, host: str) -> bool:
        """Whether a `Host` is a number or a name of this machine: nobody else can make a browser send it here."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
            return name in self._names or bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None where the sender went away.

        Raises:
            Problem: 413, it is too large; 408, it does not come.
        """
        limit = self._max_upload if scope["path"] == UPLOAD_PATH else SMALL_BODY
        declared = Headers(scope=scope).get("content-length", "0")
        if int(declared) > limit:  # the HTTP parser lets nothing but digits through
            raise _too_large(limit, declared)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise _too_large(limit, f"more than {limit}")
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError as error:
            raise Problem(408, "slow", f"the body must arrive within {BODY_SECONDS:g} s, got a part of it") from error


async def refuse(problem: Problem, receive: Receive, send: Send) -> None:
    """Answer a request, and end the connection.

    What is on its way is taken for a moment: a connection that is closed before is reset, which may eat the answer.
    """
    answer = problem.response({"Connection": "close"})
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _password(credentials: str) -> bytes:
    """The password of Basic credentials (RFC 7617), base64 of "user:password"; empty where they are none."""
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _too_large(limit: int, got: str) -> Problem:
    return Problem(413, "too_large", f"the body must have at most {limit} bytes, got {got}; send a smaller picture")


def _replay(body: bytes, receive: Receive) -> Receive:
    """A body that was read, then whatever the connection says."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


def _host_of(origin: str) -> str | None:
    """The host and port of an `Origin`; None where it is no address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
