"""What the tests of the server share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

for _name in ("fastapi", "uvicorn", "python_multipart", "httpx2"):
    pytest.importorskip(_name, reason=f"serving needs {_name}")

from tests.serve.servers import Served, serving  # noqa: E402
from wm_gym.world_model import WorldModel  # noqa: E402


@pytest.fixture(scope="module")
def served(checkpoint: Path) -> Iterator[Served]:
    """A server of a tiny world."""
    with serving(checkpoint) as served:
        yield served


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> WorldModel:
    """The model behind it, once more."""
    return WorldModel.from_pretrained(checkpoint)
