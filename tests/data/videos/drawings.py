"""Videos to import: scenes with a texture of their own, on which a square moves, or nothing does."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

SIZE = (48, 64)  # height and width
FPS = 10


def texture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture of smooth blobs, (height, width, 3) in [0, 255]."""
    rng = np.random.default_rng(seed)
    rows, columns = np.meshgrid(*(np.linspace(0, 2 * np.pi, side) for side in size), indexing="ij")
    picture = np.full((*size, 3), 128.0)
    for _ in range(6):
        phase = rng.integers(1, 5) * rows + rng.integers(1, 5) * columns + rng.uniform(0, 6)
        picture += 45 * rng.uniform(-1, 1, 3) * np.sin(phase)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def moving(seed: int, num_frames: int, step: int = 2) -> list[np.ndarray]:
    """A white square of 12 pixels runs over a texture and back, `step` pixels a frame."""
    way = SIZE[1] - 12
    frames = []
    for number in range(num_frames):
        picture, left = texture(seed), way - abs(step * number % (2 * way) - way)
        picture[18:30, left : left + 12] = 255
        frames.append(picture)
    return frames


def still(seed: int, num_frames: int) -> list[np.ndarray]:
    """Nothing happens."""
    return [texture(seed)] * num_frames


def panning(seed: int, num_frames: int) -> list[np.ndarray]:
    """The camera moves over a photo, a pixel a frame."""
    photo = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    wide = np.asarray(photo.resize((SIZE[1] + num_frames, SIZE[0]), Image.Resampling.BICUBIC))
    return [wide[:, number : number + SIZE[1]] for number in range(num_frames)]


def noise(num_frames: int) -> list[np.ndarray]:
    """Every frame is another."""
    return [texture(1000 + number) for number in range(num_frames)]


def write(path: Path, frames: list[np.ndarray], fps: int = FPS) -> Path:
    """Writes an mp4 whose index comes first, or a GIF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_gif = path.suffix == ".gif"
    with av.open(str(path), "w", options={} if is_gif else {"movflags": "faststart"}) as container:
        stream = container.add_stream("gif" if is_gif else "libx264", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "rgb8" if is_gif else "yuv444p"
        stream.codec_context.time_base = Fraction(1, fps)
        if not is_gif:
            stream.options = {"crf": "12", "g": "12"}
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
