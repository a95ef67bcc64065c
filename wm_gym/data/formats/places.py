"""Where data can come from: "minari:ID", "numpy:FOLDER", "videos:FOLDER", ..."""

from dataclasses import asdict
from typing import Literal

from wm_gym.data.formats.source import ImportConfig, Source
from wm_gym.data.videos.config import VideoConfig

_ARRAYS: dict[str, Literal["numpy", "hdf5"]] = {"numpy": "numpy", "hdf5": "hdf5"}


def open_source(place: str, config: ImportConfig, videos: VideoConfig | None = None) -> Source:
    """Opens a dataset of another format.

    Args:
        place: the format, a colon, and the folder, file or id.
        config: how to read it.
        videos: how to cut, sift and caption videos; for them alone.

    Raises:
        ImportError: the format needs a package that is not installed.
        ValueError: there is no such format, nothing of that format there, or options of videos for another format.
    """
    format_name, colon, rest = place.partition(":")
    if not colon or not rest:
        raise ValueError(f"source must be a format and a place, such as minari:ID, got {place!r}; name both")
    if format_name != "videos" and (options := _changed(videos)):
        raise ValueError(
            f"options of videos must go with videos:FOLDER, got {', '.join(options)} with {place!r}; leave them out"
        )
    if format_name == "minari":
        from wm_gym.data.formats.minari_source import MinariSource

        return MinariSource(rest, config)
    if format_name == "lerobot":
        from wm_gym.data.formats.lerobot_source import LeRobotSource

        return LeRobotSource(rest, config)
    if format_name == "videos":
        from wm_gym.data.videos.source import VideoSource

        return VideoSource(rest, config, videos)
    if format_name in _ARRAYS:
        from wm_gym.data.formats.arrays_source import ArraysSource

        return ArraysSource(_ARRAYS[format_name], rest, config)
    raise ValueError(f"source's format must be minari, lerobot, numpy, hdf5 or videos, got {format_name!r}")


def _changed(videos: VideoConfig | None) -> list[str]:
    """The options, as the command line names them, that are not at their defaults."""
    given, default = asdict(videos or VideoConfig()), asdict(VideoConfig())
    return [f"--{name.replace('_', '-')}" for name in given if given[name] != default[name]]
