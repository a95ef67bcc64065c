"""A connection to a server of worlds, kept open from request to request."""

import http.client
import json
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

SPARE_SECONDS = 10.0  # that an answer may come late before the connection counts as dead
_CLOSED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


class ServeError(RuntimeError):
    """What the server, or a task, answered in place of a result.

    Attributes:
        status: HTTP's; 200 of a task that failed.
        reason: one word: "evicted", "deleted", "unknown", "malformed", "busy" and so on.
    """

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason


class Connection:
    """Asks a server.

    Attributes:
        num_busy: answers so far that the server is busy, after which it was asked again.

    Args:
        address: of the server, "http://host:port".
        token: the server's, where it has one.
        timeout: seconds that an answer may take, with the times that the server is busy.

    Raises:
        ValueError: the address is none.
    """

    def __init__(self, address: str, token: str | None, timeout: float) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"address must be like http://127.0.0.1:8000, got {address!r}")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout + SPARE_SECONDS)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._prefix = parts.path.rstrip("/")
        self._timeout = timeout
        self.num_busy = 0

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> dict[str, Any]:
        """What the server answers; it is asked again while it is busy.

        Args:
            method: HTTP's.
            path: with the query.
            body: of the request.
            kind: content type of the body.

        Raises:
            ServeError: it says no.
            OSError: there is no server, or it is gone.
        """
        headers = self._headers | ({} if body is None else {"Content-Type": kind})
        end = time.monotonic() + self._timeout
        while True:
            response, data = self._exchange(method, self._prefix + path, body, headers)
            if response.status == 200:
                answer: dict[str, Any] = json.loads(data)
                return answer
            pause = float(response.headers.get("Retry-After", "inf"))  # none, where the server stops
            if response.status != 503 or time.monotonic() + pause > end:
                raise _error(response.status, data)
            self.num_busy += 1
            time.sleep(pause)

    def close(self) -> None:
        """Close it; the next question opens another."""
        self._connection.close()

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request; once more where the connection that was kept open turns out to be closed."""
        was_open = self._connection.sock is not None
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # a server that takes no more tells why
                self._connection.request(method, path, body, dict(headers))
            response = self._connection.getresponse()
            return response, response.read()
        except _CLOSED:
            self._connection.close()
            if not was_open:
                raise
            return self._exchange(method, path, body, headers)
        except http.client.HTTPException as error:
            self._connection.close()
            raise ConnectionError(f"the server must answer in HTTP, got {error!r}") from error
        except BaseException:
            self._connection.close()  # half an answer may still come: nobody shall take it for the next one
            raise


def multipart(values: Mapping[str, Any], image: bytes | None) -> tuple[bytes, str]:
    """A form as RFC 7578 has it.

    Args:
        values: its fields.
        image: a PNG for the field "image".

    Returns:
        Body and content type.
    """
    boundary = secrets.token_hex(16)
    parts = [(f'name="{name}"', str(value).encode()) for name, value in values.items()]
    if image is not None:
        parts.append(('name="image"; filename="image.png"\r\nContent-Type: image/png', image))
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _error(status: int, data: bytes) -> ServeError:
    try:
        body = json.loads(data)
        return ServeError(status, body["reason"], body["detail"])
    except (ValueError, KeyError, TypeError):  # not the server's own: a proxy's, or the HTTP parser's
        return ServeError(status, "unknown", data[:200].decode(errors="replace"))
