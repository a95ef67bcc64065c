"""What all tests share: an offline, headless process and the `gpu` marker.

It imports nothing of `wm_gym`: pytest reads this file before jaxtyping's import hook is in place.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads must not spin: CI has two cores
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `gpu` on a machine without CUDA."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """What a test sets, the next one does not have: the number of threads rounds sums another way."""
    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    yield
    if torch is not None and torch.get_num_threads() != before:
        torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained world that ends nothing; no test changes it."""
    from tests.endless_worlds import write_endless_checkpoint

    return write_endless_checkpoint(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="session")
def chunk_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with two frames a chunk."""
    from tests.endless_worlds import write_endless_checkpoint

    return write_endless_checkpoint(tmp_path_factory.mktemp("two"), chunk_frames=2)
