"""The first signal is a request, the second one is not held back."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from wm_gym.training.interruption import SIGNALS, Interruption


@pytest.fixture(autouse=True)
def python_handles_ctrl_c() -> Iterator[None]:
    """A background shell starts its children with Ctrl-C ignored; then no second one could interrupt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_a_request(number: signal.Signals) -> None:
    with Interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), number)
        assert interruption.requested


def test_the_second_ctrl_c_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt), Interruption():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_from_before_come_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interruption():
        pass
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_another_thread_may_enter_the_block() -> None:
    entered = []

    def enter() -> None:
        with Interruption() as interruption:
            entered.append(interruption.requested)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [False]
