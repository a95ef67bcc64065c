"""Where a twin's test runs: on a GPU, and on the CPU in the process of its own that `test_interpreter.py` starts."""

import os

import pytest

interpreted = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") != "1", reason="runs in the process that test_interpreter.py starts"
)
PLACES = (
    pytest.param("cpu", marks=interpreted, id="interpreted"),
    pytest.param("cuda", marks=pytest.mark.gpu, id="gpu"),
)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    """A device on which the public functions take the Triton twin."""
    device: str = request.param
    return device
