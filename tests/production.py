"""Calls as users make them: without the type checkers that pytest puts before every function.

The checkers refuse bad input first and with an error of their own. A test of what a user reads turns them off.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping


@contextmanager
def unchecked() -> Iterator[None]:
    """Within the block, annotations are not checked."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)
