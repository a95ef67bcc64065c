"""`wm-gym play`: put the world, its twin, a policy, the recordings and a window or a script together, and play."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wm_gym.env import WorldModelEnv
from wm_gym.play.casting import find_pilot, opening, twin_maker
from wm_gym.play.config import PlayConfig
from wm_gym.play.episodes import EpisodeFolder
from wm_gym.play.overlay import Overlay
from wm_gym.play.request import Request
from wm_gym.play.scene import Scene
from wm_gym.play.script import parse_script, run_script
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage
from wm_gym.play.track import control_range
from wm_gym.play.window_config import WindowConfig
from wm_gym.training.interruption import Interruption

if TYPE_CHECKING:
    from wm_gym.play.camera import Camera


@dataclass(frozen=True, kw_only=True)
class PlayReport:
    """What came of a play.

    Attributes:
        scene: the last.
        files: what was written: films and datasets, a line each.
    """

    scene: Scene
    files: tuple[str, ...]


def play(config: PlayConfig) -> PlayReport:
    """Play until the window is closed or the script is over; recordings are saved however it ends.

    Raises:
        ValueError: the world, the policy, the image or the script is bad.
        OSError: a recording cannot be written.
        gymnasium.error.Error: there is no display, or the twin that the view asks for is missing.
    """
    requests = None if config.script is None else parse_script(config.script)
    if requests is None:
        _require_display()
    with ExitStack() as stack, Interruption() as interruption:
        game = _Game(config, stack)
        for request in opening(config):
            game.session.apply(request)
        if requests is None:
            game.run_window(lambda: interruption.requested)
        else:
            game.run_script(requests, lambda: interruption.requested)
        scene = game.session.scene()
    return PlayReport(scene=scene, files=tuple(game.files))


def _require_display() -> None:
    """Say before a model is loaded that there is no window to be had."""
    from wm_gym.screen import require_display

    require_display()


class _Game:
    """Everything that plays, closed by `stack` in the order in which it depends on each other."""

    def __init__(self, config: PlayConfig, stack: ExitStack) -> None:
        self._config = config
        self._env = WorldModelEnv(world=config.world, checkpoint=config.checkpoint, device=config.device)
        stack.callback(self._env.close)
        self._stage = Stage(
            self._env,
            twin=twin_maker(config, self._env.world),
            undo_bytes=config.undo_megabytes * 2**20,
            on_twin=lambda track: None if self._folder is None else self._folder.prepare(track),
        )
        self._pilot = find_pilot(config, self._env)
        self._folder = None if config.episodes is None else EpisodeFolder(config.episodes, self._stage)
        self.camera = None if config.record is None else self._make_camera(config.record)
        for each in (self._folder, self.camera):
            if each is not None:
                stack.callback(each.close)
        on_leave = None if self._folder is None else self._folder.save
        self.session = Session(self._stage, seed=config.seed, pilot=self._pilot, on_leave=on_leave)
        stack.callback(self.session.close)

    @property
    def files(self) -> list[str]:
        """What was written."""
        films = [] if self.camera is None else [str(self.camera.film.path)]
        saved = {} if self._folder is None else self._folder.num_saved
        return films + [f"{count} episodes in {self._config.episodes}/{name}" for name, count in saved.items()]

    @property
    def _frames_per_second(self) -> float:
        return float(self._env.metadata["render_fps"])

    def run_window(self, stopped: Callable[[], bool]) -> None:
        """Play in a window until it is closed."""
        from wm_gym.play.window import Window

        low, high = control_range(self._env)
        config = WindowConfig(
            frames_per_second=self._frames_per_second,
            chunk_frames=self._env.chunk_frames,
            key_map=self._env.key_map,
            low=low,
            high=high,
            runs=self._config.runs(self._env.world),
            pilot="" if self._pilot is None else self._pilot.name,
            drives=self._config.drive or self._config.replay is not None,
        )
        with closing(Window(self.session, config, self.camera)) as window:
            window.run(stopped)

    def run_script(self, requests: list[Request], stopped: Callable[[], bool]) -> None:
        """Play without a window."""
        overlay = Overlay(mode="scripted", filming=self.camera is not None)
        self._shoot(self.session.scene(), overlay)
        for scene in run_script(self.session, requests):
            self._shoot(scene, overlay)
            if stopped():
                return

    def _make_camera(self, path: Path) -> "Camera":
        from wm_gym.play.camera import Camera  # not before: a page needs no pygame

        return Camera(path, self._frames_per_second)

    def _shoot(self, scene: Scene, overlay: Overlay) -> None:
        """Film a scene.

        Raises:
            OSError: the disk is full.
        """
        if self.camera is not None:
            try:
                self.camera.shoot(scene, overlay)
            except OSError as error:
                rule = f"a film must have room on its disk, got {error} at {self.camera.film.path}"
                raise OSError(f"{rule}; what was filmed before plays, make room and play again") from error
