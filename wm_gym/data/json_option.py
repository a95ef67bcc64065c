"""Options of the command line that hold JSON."""

import json
from typing import Any

_NAMES: dict[type, str] = {dict: "object", list: "list"}


def read_json_option(name: str, text: str, *kinds: type) -> Any:
    """The value of an option, which must be a JSON object (`dict`) or list (`list`), as `kinds` allow.

    Raises:
        ValueError: it is not.
    """
    shape = " or ".join(_NAMES[kind] for kind in kinds)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} must be a JSON {shape}, got {text!r} ({error}); quote it for the shell") from error
    if not isinstance(value, kinds):
        raise ValueError(f"{name} must be a JSON {shape}, got {text!r}")
    return value
