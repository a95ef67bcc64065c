"""HTTP on one connection: uvicorn's, which waits for no head for ever and tells what is wrong in the API's own form."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from wm_gym.serve.porter import refuse
from wm_gym.serve.problem import Problem

HEAD_SECONDS = 10.0  # from a connection, or the first byte of a further request, to the whole head
MAX_CONNECTIONS = 256


class Protocol(H11Protocol):
    """A connection of the server."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._api = self.app
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._calm()

    def handle_events(self) -> None:
        """Answer what has arrived, and watch whether the head that comes next does."""
        self.app = _crowded if len(self.connections) > MAX_CONNECTIONS else self._api
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._calm()
        elif self._patience is None and self.conn.trailing_data[0]:
            self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._tell(Problem(400, "malformed", f"a request must be HTTP, got something else ({msg})"))
        self.transport.close()

    def shutdown(self) -> None:
        """Answer what has arrived, and wait for no body."""
        super().shutdown()
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        """The head did not come; who has sent nothing is told nothing."""
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:
            rule = f"the head of a request must arrive within {HEAD_SECONDS:g} s"
            self._tell(Problem(408, "slow", f"{rule}, got a part of it"))
        self.transport.close()

    def _tell(self, problem: Problem) -> None:
        answer = problem.response({"Connection": "close"})
        head = h11.Response(status_code=answer.status_code, headers=answer.raw_headers)
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")


async def _crowded(scope: Any, receive: Any, send: Any) -> None:
    rule = f"at most {MAX_CONNECTIONS} connections may be open"
    problem = Problem(503, "busy", f"{rule}, got one more; try again later", retry_after=1)
    await refuse(problem, receive, send)
