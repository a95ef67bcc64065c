"""A background thread draws ahead, changes no batch, keeps each error where it belongs and ends with its owner."""

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.data.episodes import make_episode, write_dataset
from wm_gym.data.manifest import DatasetError
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.data.prefetch import Prefetch

ROOT = Path(__file__).parents[2]


class Drawer:
    """Remembers which iterations it drew, and in which thread."""

    def __init__(self) -> None:
        self.drawn: list[int] = []
        self.threads: set[str] = set()

    def __call__(self, iteration: int) -> int:
        self.drawn.append(iteration)
        self.threads.add(threading.current_thread().name)
        if iteration == 5:
            raise DatasetError("episode 5 must be whole")
        return 10 * iteration


def wait_for(drawer: Drawer, count: int) -> None:
    deadline = time.monotonic() + 10
    while len(drawer.drawn) < count and time.monotonic() < deadline:
        time.sleep(0.001)


def test_the_next_iterations_are_drawn_meanwhile() -> None:
    drawer = Drawer()
    take = Prefetch(drawer, 2)
    assert take(0) == 0
    wait_for(drawer, 3)
    assert drawer.drawn == [0, 1, 2]
    assert [take(1), take(2)] == [10, 20]
    wait_for(drawer, 5)
    assert drawer.drawn == [0, 1, 2, 3, 4]
    assert drawer.threads == {"prefetch_0"}


def test_a_jump_draws_what_is_asked_for() -> None:
    take = Prefetch(Drawer(), 2)
    assert [take(0), take(100), take(7), take(7), take(8)] == [0, 1000, 70, 70, 80]


def test_an_error_comes_with_its_own_iteration() -> None:
    take = Prefetch(Drawer(), 2)
    assert [take(3), take(4)] == [30, 40]
    with pytest.raises(DatasetError, match="^episode 5 must be whole$"):
        take(5)
    assert take(6) == 60
    with pytest.raises(DatasetError):
        take(5)


def test_the_thread_ends_with_its_owner() -> None:
    take = Prefetch(Drawer(), 2)
    take(0)
    thread = next(each for each in threading.enumerate() if each.name == "prefetch_0")
    del take
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_what_is_queued_is_not_drawn_for_an_owner_that_is_gone() -> None:
    going, drawn = threading.Event(), []

    def draw(number: int) -> int:
        drawn.append(number)
        if number:
            going.wait(10)
        return number

    take = Prefetch(draw, 3)
    take(0)
    thread = next(each for each in threading.enumerate() if each.name == "prefetch_0")
    del take
    gc.collect()
    going.set()
    thread.join(10)
    assert drawn == [0, 1] or drawn == [0]


def test_nothing_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="num_ahead must be at least 1, got 0"):
        Prefetch(Drawer(), 0)


@pytest.fixture
def mixture(tmp_path: Path) -> Mixture:
    return Mixture((write_dataset(tmp_path / "data", *(make_episode(number, 4) for number in range(5))),))


def test_batches_are_those_of_a_sampler_without_a_thread(mixture: Mixture) -> None:
    ahead = MixtureSampler(mixture, num_rounds=2, batch_size=6, seed=1)
    plain = MixtureSampler(mixture, num_rounds=2, batch_size=6, seed=1, num_ahead=0)
    for iteration in (0, 1, 2, 3, 7, 8, 0):
        one, other = ahead.sample(iteration), plain.sample(iteration)
        for name in ("observations", "actions", "rewards", "terminated", "mask"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_corrupt_episode_is_named_as_without_a_thread(mixture: Mixture) -> None:
    sampler = MixtureSampler(mixture, num_rounds=2, batch_size=6, seed=1)
    path = mixture.datasets[0].folder / "episodes" / "000003.npz"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(DatasetError, match=r"000003\.npz must be .* it is corrupt; restore it or record again"):
        for iteration in range(20):
            sampler.sample(iteration)


def test_negative_num_ahead_is_refused(mixture: Mixture) -> None:
    with pytest.raises(ValueError, match="num_ahead must be at least 0, got -1"):
        MixtureSampler(mixture, num_rounds=2, batch_size=6, num_ahead=-1)


SLOW = """
import time
from wm_gym.data.prefetch import Prefetch
def draw(iteration):
    time.sleep(0.2)
    return iteration
take = Prefetch(draw, 2)
print(take(0), flush=True)
raise KeyboardInterrupt
"""


def test_python_ends_while_batches_are_drawn() -> None:
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SLOW], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "0\n"
    assert "KeyboardInterrupt" in done.stderr and "Exception ignored" not in done.stderr
    assert time.monotonic() - begin < 20
