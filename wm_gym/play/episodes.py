"""Play as data: every line of play becomes an episode of a dataset, the dream's in one folder, the twin's in another.

Episodes of the real twin are what a model can be corrected with: `wm-gym train` reads them as it reads recordings.
"""

import inspect
import json
from pathlib import Path

import numpy as np

from wm_gym.data.dataset import DatasetWriter
from wm_gym.data.episode import Episode
from wm_gym.data.manifest import Manifest, current_versions
from wm_gym.play.moment import Moment
from wm_gym.play.request import Action
from wm_gym.play.stage import Stage
from wm_gym.play.track import Track, control_range


class EpisodeFolder:
    """Writes lines of play below a folder, one dataset an env: `dream/`, `real/`.

    Attributes:
        num_saved: episodes by the name of their dataset.

    Args:
        folder: where the datasets lie, or will.
        stage: whose moments they are.

    Raises:
        DatasetError: the dream's dataset cannot be written there. `prepare` says it of the twin's.
    """

    def __init__(self, folder: Path, stage: Stage) -> None:
        self.num_saved: dict[str, int] = {}
        self._folder = folder
        self._stage = stage
        self._writers: dict[str, DatasetWriter] = {}
        self.prepare(stage.tracks[0])

    def prepare(self, track: Track) -> None:
        """Open the dataset of an env: what cannot be written shall say so before the play.

        Raises:
            DatasetError: the folder holds other episodes, or cannot be written.
        """
        if track.name not in self._writers:
            self._writers[track.name] = DatasetWriter.open(self._folder / track.name, _manifest(track))

    def save(self, moment: Moment) -> None:
        """Save the line of play that led to `moment`.

        Raises:
            DatasetError: the disk is full. What was saved before stays.
        """
        for track in self._stage.tracks[: len(moment.outcomes)]:
            self.prepare(track)
            self._writers[track.name].append(to_episode(moment, track))
            self.num_saved[track.name] = self.num_saved.get(track.name, 0) + 1

    def close(self) -> None:
        """End the writing; twice is fine."""
        for writer in self._writers.values():
            writer.close()


def to_episode(moment: Moment, track: Track) -> Episode:
    """What one env saw up to `moment`, or to its own end before; where it did not end, play truncated it."""
    path = moment.path()
    end = next((each.depth for each in path if each.outcomes[track.index].ended), moment.depth)
    steps = path[1 : end + 1]
    outcomes = [each.outcomes[track.index] for each in steps]
    num_controls = len(control_range(track.env)[0])
    terminated, truncated = np.zeros((2, len(steps)), dtype=np.bool_)
    terminated[-1] = outcomes[-1].terminated
    truncated[-1] = not outcomes[-1].terminated
    return Episode(
        observations=np.stack([each.chunk(track.index) for each in path[: end + 1]]),
        actions=tuple(each.action if isinstance(each.action, str) else "" for each in steps),
        rewards=np.array([outcome.reward for outcome in outcomes], dtype=np.float32),
        terminated=terminated,
        truncated=truncated,
        controls=np.stack([_numbers(each.action, num_controls) for each in steps]) if num_controls else None,
        world_events=tuple(outcome.event for outcome in outcomes) if any(each.event for each in outcomes) else (),
        seed=moment.start.seed,
        info=dict(moment.start.facts[track.index]),
    )


def _numbers(action: Action, size: int) -> np.ndarray:
    """The numbers of an action, NaN where it was a text."""
    return np.full(size, np.nan, np.float32) if isinstance(action, str) else np.asarray(action, np.float32)


def _manifest(track: Track) -> Manifest:
    """The facts of an env, which do not change from one day of play to the next."""
    env = track.env
    world = env.unwrapped
    chunk_frames, height, width, _ = env.observation_space.shape or ()
    arguments = {} if env.spec is None else env.spec.kwargs
    low, high = control_range(env)
    return Manifest(
        env_id="" if env.spec is None else env.spec.id,
        env_arguments={name: json.dumps(value, default=str, sort_keys=True) for name, value in arguments.items()},
        world=str(world.get_wrapper_attr("world")),
        frame_size=(height, width),
        chunk_frames=chunk_frames,
        action_phrases=dict(world.get_wrapper_attr("action_phrases")),
        key_map=dict(world.get_wrapper_attr("key_map")),
        control_low=low,
        control_high=high,
        render_fps=int(env.metadata.get("render_fps") or 0),
        policy="wm_gym.play",
        versions=dict(current_versions(Path(inspect.getfile(type(world))).parent)),
    )
