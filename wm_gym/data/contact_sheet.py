"""A contact sheet: one row an episode, its frames from the first to the last, as one picture."""

import io
import os
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from wm_gym.data.check_contents import end_of
from wm_gym.data.dataset import Dataset, DatasetError
from wm_gym.data.durable_writes import one_clear_error, write_whole
from wm_gym.data.episode import Episode
from wm_gym.data.manifest import EpisodeEntry, Manifest

_GAP, _LINE = 2, 14  # pixels between frames; of a line of text
_MIN_SIDE, _MAX_SIDE = 64, 256  # pixels of a frame's shorter and longer side on the sheet


def contact_sheet(
    folder: str | os.PathLike[str], *, num_episodes: int = 8, num_frames: int = 10
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws a spread of a dataset's episodes, those that cannot be read left out.

    Args:
        folder: the dataset's folder.
        num_episodes: rows, at least 1; spread evenly from the first episode to the last.
        num_frames: frames a row, at least 1; spread evenly from the first observation to the last.

    Raises:
        ValueError: there is not one row or frame to draw.
        DatasetError: no episode can be read.
    """
    if num_episodes < 1 or num_frames < 1:
        raise ValueError(f"num_episodes and num_frames must be at least 1, got {num_episodes} and {num_frames}")
    path = Path(folder)
    rows = [_row(episode, index, num_frames) for index, episode in _spread(path, num_episodes)]
    if not rows:
        raise DatasetError(f"{path} must hold at least 1 episode that can be read, got 0; record some")
    width = max(row.width for row in rows)
    sheet = Image.new("RGB", (width + 2 * _GAP, sum(row.height + _GAP for row in rows) + _GAP), "white")
    top = _GAP
    for row in rows:
        sheet.paste(row, (_GAP, top))
        top += row.height + _GAP
    return np.asarray(sheet)


def write_contact_sheet(folder: str | os.PathLike[str], output: str | os.PathLike[str]) -> Path:
    """Writes a dataset's contact sheet as PNG.

    Raises:
        DatasetError: no episode can be read, or the disk refuses.
        ValueError: `output` is no PNG's name.
    """
    path = Path(output)
    if path.suffix.lower() != ".png":
        raise ValueError(f"contact sheet must be named *.png, got {path}; rename it")
    buffer = io.BytesIO()
    Image.fromarray(contact_sheet(folder)).save(buffer, format="PNG")
    with one_clear_error(path.parent, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, buffer.getvalue())
    return path


def _spread(folder: Path, count: int) -> list[tuple[int, Episode]]:
    """The episodes nearest to an even spread that can be read, with their indices, in order."""
    try:
        manifest = Manifest.from_json((folder / "manifest.json").read_text(encoding="utf-8"))
        lines = (folder / "episodes.jsonl").read_bytes().splitlines()
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise DatasetError(f"{folder} must hold a dataset: {error}; see `wm-gym data check`") from error
    found: dict[int, Episode] = {}
    for wanted in np.linspace(0, len(lines) - 1, min(count, len(lines))).round().astype(int).tolist():
        for index in range(wanted, len(lines)):
            if index in found:
                continue
            try:
                entry = EpisodeEntry.from_json(lines[index].decode("utf-8"))
                found[index] = Dataset(folder, manifest, (entry,))[0]
                break
            except (ValueError, TypeError, KeyError):
                continue
    return sorted(found.items(), key=lambda pair: pair[0])


def _row(episode: Episode, index: int, num_frames: int) -> Image.Image:
    """An episode's frames (the last of each chunk) beside each other, under a line that tells its facts."""
    steps = np.unique(np.linspace(0, episode.num_steps, num_frames).round().astype(int)).tolist()
    frames = [_scaled(episode.observations[step, -1]) for step in steps]
    width, height = frames[0].size
    row = Image.new("RGB", (num_frames * (width + _GAP) - _GAP, height + _LINE), "white")
    facts = [f"episode {index}", f"{episode.num_steps} steps", f"reward {episode.total_reward:g}", end_of(episode)]
    facts += [f"{name} {value}" for name, value in list(episode.info.items())[:3]]
    draw = ImageDraw.Draw(row)
    draw.text((0, 0), ", ".join(facts).encode("ascii", "replace").decode("ascii"), fill="black")
    for number, (step, frame) in enumerate(zip(steps, frames, strict=True)):
        left = number * (width + _GAP)
        row.paste(frame, (left, _LINE))
        draw.text((left + 2, _LINE + 1), str(step), fill="white", stroke_width=1, stroke_fill="black")
    return row


def _scaled(frame: UInt8[np.ndarray, "height width 3"]) -> Image.Image:
    """A frame at a size that people can see: small ones grow by whole pixels, large ones shrink."""
    height, width = frame.shape[:2]
    picture = Image.fromarray(frame)
    if max(height, width) > _MAX_SIDE:
        scale = _MAX_SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return picture.resize(size, Image.Resampling.BOX)
    factor = max(1, min(-(-_MIN_SIDE // min(height, width)), _MAX_SIDE // max(height, width)))
    return picture.resize((width * factor, height * factor), Image.Resampling.NEAREST)
