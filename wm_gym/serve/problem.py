"""What is wrong with a request: one status, one reason for programs, one sentence for people."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse


class Problem(Exception):
    """A request that is not answered.

    Attributes:
        status: HTTP's.
        reason: one word for programs: "malformed", "evicted", "busy" and so on.
        headers: of the answer.

    Args:
        status: HTTP's.
        reason: one word for programs.
        detail: one sentence for people: what must hold, what was got, what to do.
        retry_after: seconds after which to try again.
    """

    def __init__(self, status: int, reason: str, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """The answer."""
        body = {"detail": str(self), "reason": self.reason}
        return JSONResponse(body, self.status, headers={**self.headers, **(headers or {})})


def malformed(errors: list[Any]) -> Problem:
    """What pydantic found wrong with the fields of a request."""
    sentences = [_sentence(error) for error in errors]
    return Problem(422, "malformed", "; ".join(sentences[:4]))


def _sentence(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"the body must be JSON, got something else at character {error['loc'][-1]} ({error['ctx']['error']})"
    return f"{_name(error['loc'])}: {error['msg']}{_got(error)}"


def _name(place: tuple[Any, ...]) -> str:
    """The field's name, without where it came from (body, query, path)."""
    return ".".join(str(part) for part in place[1:]) or str(place[0])


def _got(error: dict[str, Any]) -> str:
    if error["type"] == "missing" or isinstance(error["input"], dict):
        return ""
    value = ascii(error["input"])  # it may hold what no answer can
    return f", got {value[:60]}{'...' if len(value) > 60 else ''}"
