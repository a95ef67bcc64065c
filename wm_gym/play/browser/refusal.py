"""Why a page's WebSocket is closed: codes of the range that applications have, and what the page shows."""

MALFORMED, FORBIDDEN, IDLE, REPLACED, LEFT, FULL, BROKEN = 4400, 4403, 4408, 4409, 4410, 4429, 4500


class Refusal(Exception):
    """A page may not play: the WebSocket's close code, and the reason that the page shows."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def shorten(reason: str) -> str:
    """What has room in a WebSocket's close frame."""
    return reason.encode("ascii", "replace")[:120].decode()
