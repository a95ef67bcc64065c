"""Films scenes: every frame of every chunk, as the window would show it."""

from pathlib import Path

from wm_gym.play.film import Film
from wm_gym.play.overlay import Overlay
from wm_gym.play.picture import Painter, to_array
from wm_gym.play.scene import Scene
from wm_gym.screen import pygame


class Camera:
    """Films at the size that the first scene gives; needs no display.

    Attributes:
        film: where the pictures go.

    Args:
        path: the film's file, .gif or .mp4.
        frames_per_second: its pace.

    Raises:
        ValueError: a suffix that no film has.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self.film = Film(path, frames_per_second)
        self._painter = Painter()
        self._surface: pygame.Surface | None = None

    def shoot(self, scene: Scene, overlay: Overlay) -> None:
        """Film all frames of a scene.

        Raises:
            OSError: the disk is full.
        """
        if self._surface is None:
            self._surface = pygame.Surface(self._painter.natural_size(scene))
        for frame in range(scene.num_frames):
            self._painter.paint(self._surface, scene, frame, overlay)
            self.film.add(to_array(self._surface))

    def close(self) -> None:
        """Finish the film; twice is fine."""
        self.film.close()
