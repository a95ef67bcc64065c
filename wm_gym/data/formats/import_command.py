"""`wm-gym data import`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from wm_gym.data.formats.action_table import ActionTable
from wm_gym.data.formats.places import open_source
from wm_gym.data.formats.source import ImportConfig, import_episodes
from wm_gym.data.json_option import read_json_option
from wm_gym.data.videos.config import VideoConfig
from wm_gym.data.videos.source import VideoSource


@dataclass(frozen=True, kw_only=True)
class Import:
    """Bring a dataset of another format into ours; run it again after a stop, it goes on where it was.

    Attributes:
        source: what to read: minari:ID, minari:FOLDER, lerobot:FOLDER, numpy:FOLDER (.npz, .npy), hdf5:FOLDER or
            videos:FOLDER (with NAME.txt or NAME.json beside NAME.mp4).
        output: the new dataset's folder.
        episodes: import so many; by default all.
        world: the world's name; by default the source's.
        frame_size: height and width to resize frames to (loses detail); by default they stay as they are.
        action_texts: JSON list with the text (or a list of phrasings) of every discrete action, from 0 on, or an
            object from action to text; without it, texts stay texts and numbers stay numbers.
        action_values: JSON list with the numbers behind each of these texts, where actions are rows of numbers.
        observation_key: the name of the pictures, where there are several.
        last_action: what becomes of a last action after which nothing was observed: drop it, or repeat the last frame.
        done_means: what a lone flag "done" means, which tells no termination from a time limit.
        videos: how to cut, sift and caption videos; for no other format.
    """

    source: Positional[Annotated[str, arg(metavar="FORMAT:PLACE")]]
    output: Path
    episodes: int | None = None
    world: str | None = None
    frame_size: tuple[int, int] | None = None
    action_texts: str | None = None
    action_values: str | None = None
    observation_key: str | None = None
    last_action: Literal["drop", "repeat"] = "drop"
    done_means: Literal["terminated", "truncated"] = "terminated"
    videos: VideoConfig = field(default_factory=VideoConfig)

    def run(self, say: Callable[[str], None]) -> int:
        """Import and say how much.

        Returns:
            0, the number of problems.
        """
        if self.episodes is not None and self.episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {self.episodes}")
        source = open_source(self.source, self._config(), self.videos)
        report = import_episodes(source, self.output, max_episodes=self.episodes)
        for line in [*report.lines(), *(source.report() if isinstance(source, VideoSource) else ())]:
            say(line)
        return 0

    def _config(self) -> ImportConfig:
        values = None if self.action_values is None else read_json_option("action_values", self.action_values, list)
        if values is not None and self.action_texts is None:
            raise ValueError("action_values must go with action_texts, got none; pass --action-texts")
        table = None
        if self.action_texts is not None:
            table = ActionTable.of(read_json_option("action_texts", self.action_texts, list, dict), values)
        return ImportConfig(
            world=self.world,
            frame_size=self.frame_size,
            action_table=table,
            observation_key=self.observation_key,
            last_action=self.last_action,
            done_means=self.done_means,
        )
