"""Random play: keys, texts, undo, branches and resets posted to a window as a mad player would.

Ten minutes of it:

SDL_VIDEODRIVER=dummy python -m tests.play.random_play --minutes 10
"""

import argparse
import random
import tempfile
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
    """

    num_acts: int = 0
    most_waiting: int = 0
    megabytes: list[float] = field(default_factory=list)
    most_steps: int = 0


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
        thread = threading.Thread(target=self._post_until, args=(end, seconds / samples), daemon=True)
        thread.start()
        self._window.run(lambda: time.monotonic() > end)
        thread.join(10)
        return self.tally

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


def main() -> None:
    """Play the shipped MiniGrid world beside its twin and print the tally."""
    from wm_gym.env import WorldModelEnv
    from wm_gym.keys import key_codes
    from wm_gym.play.episodes import EpisodeFolder
    from wm_gym.play.pilot import load_pilot
    from wm_gym.play.session import Session
    from wm_gym.play.stage import Stage, TwinMaker
    from wm_gym.play.twins import make_twin
    from wm_gym.play.window_config import WindowConfig

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    env = WorldModelEnv(world="minigrid")
    stage = Stage(env, twin=TwinMaker(make=lambda: make_twin("minigrid", None, "{}")), undo_bytes=64 * 2**20)
    with tempfile.TemporaryDirectory() as folder:
        episodes = EpisodeFolder(Path(folder), stage)
        pilot = load_pilot("policies.minigrid:mixed")
        session = Session(stage, pilot=pilot, on_leave=episodes.save)
        config = WindowConfig(frames_per_second=10, chunk_frames=1, key_map=env.key_map, pilot=pilot.name)
        window = Window(session, config)
        player = RandomPlayer(window, [codes[0] for codes in key_codes(env.key_map)], options.seed)
        try:
            tally = player.play(60 * options.minutes)
        finally:
            window.close()
            session.close()
            episodes.close()
        print(tally, episodes.num_saved)


if __name__ == "__main__":
    main()
