"""Play as a person feels it: from a key to the first changed frame, on the window and over a page's WebSocket.

And random play: keys, held keys, texts, undo, bookmarks, branches, resets and views for `--minutes`, with what broke,
the longest queue and the resident memory by the minute. The window opens on the display, or on SDL's own:

    SDL_VIDEODRIVER=dummy python -m benchmarks.play_latency --minutes 10
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pygame
import tyro

from benchmarks.report import write_report
from tests.play.browser.pages import serving
from tests.play.fingers import press, release
from tests.play.random_play import RandomPlayer, Tally, resident_megabytes
from wm_gym.env import WorldModelEnv
from wm_gym.evaluation.provenance import machine
from wm_gym.keys import key_codes
from wm_gym.play.casting import find_pilot, twin_maker
from wm_gym.play.config import PlayConfig
from wm_gym.play.episodes import EpisodeFolder
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage
from wm_gym.play.window import Window
from wm_gym.play.window_config import WindowConfig

RESULTS = Path(__file__).parent / "results" / "play_latency.json"
REST = 0.05  # seconds between an answer and the next key, as a quick player takes
POLL = 0.0005  # seconds between two looks at the window
PATIENCE = 30.0  # seconds after which a key counts as lost
GRID = 32  # points a side at which the window is looked at


@dataclass(frozen=True, kw_only=True)
class PlayLatencyConfig:
    """What to measure.

    Attributes:
        world: A world of the checkpoint.
        checkpoint: A shipped name or a folder; None takes the one that has the world.
        keys: Key presses that are timed, on the window and on the page each.
        text: What the timed key says: something that always changes the picture.
        minutes: How long random play lasts; 0 leaves it out.
        policy: Who drives in random play when it presses F8; "" for nobody. Experts need the real twin.
        seed: Of random play.
        output: The JSON file.
    """

    world: str = "minigrid"
    checkpoint: str | None = None
    keys: int = 300
    text: str = "turn left"
    minutes: float = 10.0
    policy: str = "policies.minigrid:mixed"
    seed: int = 0
    output: Path = RESULTS


class Watcher:
    """Presses a key while a window runs and waits until a frame on the screen changes.

    Args:
        window: The window.
        key: The key's code.
    """

    def __init__(self, window: Window, key: int) -> None:
        self.milliseconds: list[float] = []
        self._window = window
        self._key = key

    def run(self, count: int) -> list[float]:
        """Times so many presses in another thread while this one runs the window.

        Raises:
            TimeoutError: A key changed nothing.
        """
        done, errors = threading.Event(), list[BaseException]()

        def watch() -> None:
            try:
                for _ in range(count + 1):
                    self.milliseconds.append(self._press())
            except BaseException as error:
                errors.append(error)
            done.set()

        threading.Thread(target=watch, daemon=True).start()
        self._window.run(done.is_set)
        if errors:
            raise errors[0]
        return self.milliseconds[1:]  # the first loads what is loaded late

    def _press(self) -> float:
        _wait(lambda: self._window.worker.idle)
        time.sleep(REST)
        before, step = self._look(), self._window.scene.step
        begin = time.perf_counter()
        press(self._key)
        _wait(lambda: self._window.scene.step != step and self._look() != before)
        end, seen = time.perf_counter(), self._look()
        while (look := self._look()) != seen:  # it was looked at while it was painted
            end, seen = time.perf_counter(), look
        release(self._key)
        return 1000 * (end - begin)

    def _look(self) -> tuple[Any, ...]:
        """The colours of points all over the frame."""
        surface = pygame.display.get_surface()
        if surface is None:
            raise TimeoutError("the window is gone")
        side = surface.get_width()  # of the frame and its margin: the numbers lie below
        spots = [round(side * (index + 0.5) / GRID) for index in range(GRID)]
        return tuple(tuple(surface.get_at((x, y))) for y in spots for x in spots)


@contextmanager
def open_window(config: PlayLatencyConfig, policy: str = "") -> Iterator[tuple[Window, WorldModelEnv, EpisodeFolder]]:
    """Opens the window that `wm-gym play` opens, with episodes that are saved in a folder for the while."""
    options = PlayConfig(world=config.world, checkpoint=config.checkpoint, policy=policy or None)
    with ExitStack() as stack:
        env = stack.enter_context(closing(WorldModelEnv(world=config.world, checkpoint=config.checkpoint)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stage = Stage(env, twin=twin_maker(options, env.world), undo_bytes=options.undo_megabytes * 2**20)
        episodes = stack.enter_context(closing(EpisodeFolder(folder, stage)))
        pilot = find_pilot(options, env)
        session = stack.enter_context(closing(Session(stage, pilot=pilot, on_leave=episodes.save)))
        window_config = WindowConfig(
            frames_per_second=float(env.metadata["render_fps"]),
            chunk_frames=env.chunk_frames,
            key_map=env.key_map,
            pilot="" if pilot is None else pilot.name,
        )
        yield stack.enter_context(closing(Window(session, window_config))), env, episodes


def time_window(config: PlayLatencyConfig) -> dict[str, Any]:
    """Times keys on the window.

    Raises:
        ValueError: No key of the world says the text.
    """
    with open_window(config) as (window, env, _):
        keys = [codes[0] for codes, text in key_codes(env.key_map).items() if text == config.text]
        if not keys:
            raise ValueError(f"text must be one of a key, {sorted(set(env.key_map.values()))}, got {config.text!r}")
        spread = _spread(Watcher(window, keys[0]).run(config.keys))
        return {"driver": pygame.display.get_driver(), **spread}


def time_page(config: PlayLatencyConfig) -> dict[str, Any]:
    """Times requests of a page: from what it says to the scene in its hands."""
    checkpoint = None if config.checkpoint is None else Path(config.checkpoint)
    milliseconds = []
    with serving(checkpoint, world=config.world) as served:
        page = served.enter()
        page.welcome()
        for _ in range(config.keys + 1):
            time.sleep(REST)
            begin = time.perf_counter()
            page.act(config.text)
            milliseconds.append(1000 * (time.perf_counter() - begin))
    return _spread(milliseconds[1:])


def play_randomly(config: PlayLatencyConfig) -> dict[str, Any]:
    """Plays at random and tells what came of it, also where it broke."""
    samples = max(1, round(config.minutes))
    exception = ""
    with open_window(config, config.policy) as (window, env, episodes):
        player = RandomPlayer(window, [codes[0] for codes in key_codes(env.key_map)], config.seed)
        try:
            player.play(60 * config.minutes, samples=samples)
        except Exception as error:  # it is what is measured
            exception = repr(error)
        tally: Tally = player.tally
        megabytes = [*tally.megabytes, resident_megabytes()]
    return {
        "minutes": config.minutes,
        "exception": exception or tally.error,
        "acts": tally.num_acts,
        "longest_queue": tally.most_waiting,
        "longest_episode": tally.most_steps,
        "episodes": episodes.num_saved,
        "resident_megabytes": [round(each, 1) for each in megabytes],
    }


def measure(config: PlayLatencyConfig) -> dict[str, Any]:
    """Measures one after the other.

    Returns:
        The results as JSON values.
    """
    window, page = time_window(config), time_page(config)
    return {
        **machine("cpu"),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "window": window,
        "page": page,
        "random_play": play_randomly(config) if config.minutes else None,
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [f"{results['device_name']}, {results['threads']} threads, key to first changed frame:"]
    for name in ("window", "page"):
        case = results[name]
        lines.append(f"{name:8} p50 {case['p50_ms']:6.1f} ms  p95 {case['p95_ms']:6.1f} ms  n {case['samples']}")
    if played := results["random_play"]:
        memory = played["resident_megabytes"]
        lines.append(
            f"random play for {played['minutes']:g} minutes: exception {played['exception'] or 'none'}, "
            f"{played['acts']} acts, longest queue {played['longest_queue']}, memory {memory} MB"
        )
    return "\n".join(lines)


def main(config: PlayLatencyConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


def _spread(milliseconds: list[float]) -> dict[str, Any]:
    """Median, 95th percentile and largest."""
    return {
        "p50_ms": statistics.median(milliseconds),
        "p95_ms": float(np.quantile(milliseconds, 0.95)),
        "max_ms": max(milliseconds),
        "samples": len(milliseconds),
    }


def _wait(true: Callable[[], bool]) -> None:
    """Waits for something.

    Raises:
        TimeoutError: It does not come.
    """
    end = time.perf_counter() + PATIENCE
    while not true():
        if time.perf_counter() > end:
            raise TimeoutError("a key must change the picture, got none; name another with --text")
        time.sleep(POLL)


if __name__ == "__main__":
    main(tyro.cli(PlayLatencyConfig, description=__doc__))
