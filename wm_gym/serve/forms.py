"""Forms as they arrive: the parser behind the API takes what it can of a broken one, and says nothing."""

from python_multipart.multipart import parse_options_header

from wm_gym.serve.problem import Problem

MULTIPART, URLENCODED = b"multipart/form-data", b"application/x-www-form-urlencoded"


def check_form(content_type: str | None, body: bytes) -> None:
    """Check that a body is a whole form; none at all is one without fields.

    Args:
        content_type: of the request.
        body: of the request.

    Raises:
        Problem: 415, it is something else; 400, a part or the end is missing.
    """
    if not body:
        return
    kind, options = parse_options_header(content_type)
    if kind not in (MULTIPART, URLENCODED):
        rule = f"the body must be a form, {MULTIPART.decode()} or {URLENCODED.decode()}"
        raise Problem(415, "malformed", f"{rule}, got {ascii(content_type)[:80]}")
    if kind == MULTIPART:
        *parts, end = (b"\r\n" + body.rstrip()).split(b"\r\n--" + options.get(b"boundary", b""))
        if end != b"--" or not all(b"\r\n\r\n" in part for part in parts[1:]):
            rule = "a multipart body must have whole parts and end with '--', its boundary and '--'"
            raise Problem(400, "malformed", f"{rule}, got {len(body)} bytes that do not; send all of it")
