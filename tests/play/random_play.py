"""Random play: keys, texts, undo, branches and resets posted to a window as a mad player would.

`benchmarks.play_latency` does it for ten minutes.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pygame

from tests.play.fingers import press, release, tap, type_text
from wm_gym.play.window import Window

TEXTS = ("turn left", "go ahead", "", "open the door", "sing a song", "say\tthis", "x" * 300)
COMMANDS = (
    *(pygame.K_F1, pygame.K_F2, pygame.K_F5, pygame.K_F6, pygame.K_F7, pygame.K_F8, pygame.K_F9, pygame.K_TAB),
    *(pygame.K_F13, pygame.K_q, pygame.K_LSHIFT),
)


@dataclass
class Tally:
    """What random play saw.

    Attributes:
        num_acts: things done: keys tapped or held, texts typed.
        most_waiting: longest queue.
        megabytes: the process's resident memory, at equal distances in time.
        most_steps: longest episode.
        error: what broke the player, "" while it is whole.
    """

    num_acts: int = 0
    most_waiting: int = 0
    megabytes: list[float] = field(default_factory=list)
    most_steps: int = 0
    error: str = ""


class RandomPlayer:
    """Posts random keys from a thread while a window runs.

    Args:
        window: it.
        keys: codes of the world's keys.
        seed: of the choices.
    """

    def __init__(self, window: Window, keys: list[int], seed: int = 0) -> None:
        self.tally = Tally()
        self._window = window
        self._keys = keys
        self._random = random.Random(seed)

    def play(self, seconds: float, *, samples: int = 20) -> Tally:
        """Play in this thread what another one posts; the caller closes the window."""
        end = time.monotonic() + seconds
        thread = threading.Thread(target=self._post, args=(end, seconds / samples), daemon=True)
        thread.start()
        self._window.run(lambda: time.monotonic() > end)
        thread.join(10)
        return self.tally

    def _post(self, end: float, every: float) -> None:
        try:
            self._post_until(end, every)
        except Exception as error:  # the thread's own: nobody else would hear of it
            self.tally.error = repr(error)

    def _post_until(self, end: float, every: float) -> None:
        next_sample = time.monotonic()
        while time.monotonic() < end:
            if time.monotonic() >= next_sample:
                self.tally.megabytes.append(resident_megabytes())
                next_sample += every
            self._pick()()
            self.tally.num_acts += 1
            self.tally.most_waiting = max(self.tally.most_waiting, self._window.worker.num_waiting)
            self.tally.most_steps = max(self.tally.most_steps, self._window.scene.step)
            time.sleep(self._random.uniform(0.005, 0.06))

    def _pick(self) -> Callable[[], None]:
        choices: list[tuple[int, Callable[[], None]]] = [
            (50, lambda: tap(self._random.choice(self._keys))),
            (8, self._hold),
            (10, lambda: tap(pygame.K_BACKSPACE, self._random.choice((0, pygame.KMOD_SHIFT)))),
            (6, self._type),
            (5, lambda: tap(self._random.randint(pygame.K_1, pygame.K_9), pygame.KMOD_CTRL)),
            (5, lambda: tap(self._random.randint(pygame.K_0, pygame.K_9))),
            (5, lambda: tap(self._random.choice(COMMANDS))),
        ]
        weights, actions = zip(*choices, strict=True)
        return self._random.choices(actions, weights)[0]

    def _hold(self) -> None:
        key = self._random.choice([*self._keys, pygame.K_BACKSPACE])
        press(key)
        time.sleep(self._random.uniform(0.2, 0.6))
        release(key)

    def _type(self) -> None:
        tap(pygame.K_SLASH, character="/")
        type_text(self._random.choice(TEXTS))
        tap(self._random.choice((pygame.K_RETURN, pygame.K_RETURN, pygame.K_ESCAPE)))


def resident_megabytes() -> float:
    """The resident memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
    except OSError:
        return 0.0
