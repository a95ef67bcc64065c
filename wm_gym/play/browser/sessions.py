"""Sessions of many players over one model."""

from collections.abc import Callable
from typing import Any

from wm_gym.data.dataset import Dataset
from wm_gym.env import WorldModelEnv
from wm_gym.play.config import PlayConfig
from wm_gym.play.episodes import EpisodeFolder
from wm_gym.play.moment import Moment
from wm_gym.play.pilot import Pilot, load_pilot
from wm_gym.play.replay import RecordedEnv, recorded_pilot
from wm_gym.play.request import Request
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage, TwinMaker
from wm_gym.play.twins import make_twin


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
        for name in ("script", "record"):
            if getattr(config, name) is not None:
                raise ValueError(f"{name} must be left out on a page, got one; --episodes keeps what is played there")
        self.config = config
        self.env = WorldModelEnv(world=config.world, checkpoint=config.checkpoint, device=config.device)
        self.pilot = _load_pilot(config)
        self._recording = None if config.replay is None else Dataset.open(config.replay)
        self._undo_bytes = config.undo_megabytes * 2**20 // max_players
        self._shelf = None if config.episodes is None else _Shelf(config.episodes, self._stage())

    @property
    def files(self) -> tuple[str, ...]:
        """What was written, a line each."""
        saved = {} if self._shelf is None else self._shelf.num_saved
        return tuple(f"{count} episodes in {self.config.episodes}/{name}" for name, count in saved.items())

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
        return {
            "world": env.world,
            "width": width,
            "height": height,
            "keys": env.key_map,
            "actions": env.get_action_meanings(),
            "fps": frames_per_second,
            "stepSeconds": env.chunk_frames / frames_per_second,
            "runs": config.runs(env.world),
            "pilot": "" if self.pilot is None else self.pilot.name,
            "drives": config.drive or config.replay is not None,
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
        if self.config.image is not None:
            session.apply(Request("start", self.config.image))
        view = "both" if self.config.replay is not None else self.config.view
        if view != "dream":
            session.apply(Request("view", view))
        return session

    def close(self) -> None:
        """End the writing; twice is fine."""
        if self._shelf is not None:
            self._shelf.close()
        self.env.close()

    def _stage(self) -> Stage:
        return Stage(_seat(self.env), twin=self._twin(), undo_bytes=self._undo_bytes)

    def _twin(self) -> TwinMaker:
        config, world, recording = self.config, self.env.world, self._recording
        if recording is not None:
            return TwinMaker(make=lambda: RecordedEnv(recording), name="recorded")
        return TwinMaker(make=lambda: make_twin(world, config.twin, config.twin_arguments))


class _Shelf(EpisodeFolder):
    """One folder for the play of many."""

    def saver(self, stage: Stage) -> Callable[[Moment], None]:
        """What saves the lines of play of one stage."""

        def save(moment: Moment) -> None:
            self._stage = stage
            self.save(moment)

        return save


def _load_pilot(config: PlayConfig) -> Pilot | None:
    if config.replay is not None:
        return recorded_pilot()
    return None if config.policy is None else load_pilot(config.policy)


def _seat(env: WorldModelEnv) -> WorldModelEnv:
    """Another env over the same weights. Envs replace what they know and never write into it, so sharing is safe."""
    seat = object.__new__(WorldModelEnv)
    vars(seat).update(vars(env))
    return seat
