"""Packages that only some formats need, imported when they are used."""

import importlib
from typing import Any


def require(module: str, extra: str) -> Any:
    """Imports an optional package.

    Args:
        module: its name in Python.
        extra: the extra of wm-gym that brings it.

    Raises:
        ImportError: it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{module} must be installed for this format, got: {error}; pip install 'wm-gym[{extra}]'"
        ) from error
