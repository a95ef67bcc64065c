"""Sessions of many players over one model."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wm_gym.env import WorldModelEnv
from wm_gym.play.casting import find_pilot, opening, twin_maker
from wm_gym.play.config import PlayConfig
from wm_gym.play.episodes import EpisodeFolder
from wm_gym.play.film import unused
from wm_gym.play.moment import Moment
from wm_gym.play.pad_layout import pad_axes, pad_buttons
from wm_gym.play.script import parse_script
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage
from wm_gym.play.track import control_range

if TYPE_CHECKING:
    from wm_gym.play.camera import Camera


class Sessions:
    """Makes sessions. All of them, and this, are for one thread: a model is.

    Args:
        config: what to play.
        max_players: among how many the memory for undo is divided.

    Raises:
        ValueError: the world, the policy or an option is bad.
        OSError: the episodes cannot be written.
    """

    def __init__(self, config: PlayConfig, max_players: int) -> None:
        self.config = config
        self.script = () if config.script is None else tuple(parse_script(config.script))
        self.env = WorldModelEnv(world=config.world, checkpoint=config.checkpoint, device=config.device)
        self.pilot = find_pilot(config, self.env)
        self._twin = twin_maker(config, self.env.world)
        self._undo_bytes = config.undo_megabytes * 2**20 // max_players
        self._shelf = None if config.episodes is None else _Shelf(config.episodes, self._stage())
        self._films: list[Path] = []
        if config.record is not None:
            self._open_camera(config.record).close()  # what is wrong shall be told before anybody comes

    @property
    def files(self) -> tuple[str, ...]:
        """What was written, a line each."""
        saved = {} if self._shelf is None else self._shelf.num_saved
        episodes = (f"{count} episodes in {self.config.episodes}/{name}" for name, count in saved.items())
        return (*map(str, self._films), *episodes)

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.env.model.card.frame_size
        return height, width

    @property
    def facts(self) -> dict[str, Any]:
        """What a page must know of the world."""
        env, config = self.env, self.config
        height, width = self.frame_size
        frames_per_second = float(env.metadata["render_fps"])
        low, high = control_range(env)
        return {
            "world": env.world,
            "width": width,
            "height": height,
            "keys": env.key_map,
            "actions": env.get_action_meanings(),
            "low": low,
            "high": high,
            "pad": {"buttons": pad_buttons(env.key_map), "axes": pad_axes(low)},
            "fps": frames_per_second,
            "stepSeconds": env.chunk_frames / frames_per_second,
            "runs": config.runs(env.world),
            "pilot": "the script" if self.script else "" if self.pilot is None else self.pilot.name,
            "drives": config.drive or config.replay is not None or bool(self.script),
        }

    def make(self) -> Session:
        """A session at its start.

        Raises:
            ValueError: the image is bad.
            OSError: it cannot be read.
            gymnasium.error.Error: the twin that the view asks for is missing.
        """
        stage = self._stage()
        on_leave = None if self._shelf is None else self._shelf.saver(stage)
        session = Session(stage, seed=self.config.seed, pilot=self.pilot, on_leave=on_leave)
        try:
            for request in opening(self.config):
                session.apply(request)
        except BaseException:
            session.close()
            raise
        return session

    def make_camera(self) -> "Camera | None":
        """What films a new session, where films are asked for: the first into the file that was named.

        Raises:
            OSError: the file cannot be written.
        """
        if self.config.record is None:
            return None
        camera = self._open_camera(unused(self.config.record) if self._films else self.config.record)
        self._films.append(camera.film.path)
        return camera

    def close(self) -> None:
        """End the writing; twice is fine."""
        if self._shelf is not None:
            self._shelf.close()
        self.env.close()

    def _stage(self) -> Stage:
        return Stage(_seat(self.env), twin=self._twin, undo_bytes=self._undo_bytes)

    def _open_camera(self, path: Path) -> "Camera":
        from wm_gym.play.camera import Camera  # only here: pages that nobody films need no pygame

        return Camera(path, float(self.env.metadata["render_fps"]))


class _Shelf(EpisodeFolder):
    """One folder for the play of many."""

    def saver(self, stage: Stage) -> Callable[[Moment], None]:
        """What saves the lines of play of one stage."""

        def save(moment: Moment) -> None:
            self._stage = stage
            self.save(moment)

        return save


def _seat(env: WorldModelEnv) -> WorldModelEnv:
    """Another env over the same weights. Envs replace what they know and never write into it, so sharing is safe."""
    seat = object.__new__(WorldModelEnv)
    vars(seat).update(vars(env))
    return seat
