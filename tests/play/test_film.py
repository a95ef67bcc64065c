"""Films: what can be filmed, and what is told where something is missing."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from wm_gym.play.film import Film, new_film_path, unused

HAS_FFMPEG = importlib.util.find_spec("imageio_ffmpeg") is not None


def test_a_film_is_made_with_its_folder(tmp_path: Path) -> None:
    film = Film(tmp_path / "new" / "a.GIF", 10.0)
    for grey in (0, 100, 200):
        film.add(np.full((6, 8, 3), grey, np.uint8))
    film.close()
    film.close()
    assert imageio.imread(film.path, extension=".gif")[:, 0, 0, 0].tolist() == [0, 100, 200]


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a film must end in \.gif or \.mp4, got .*a\.avi"):
        Film(tmp_path / "a.avi", 10.0)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Film(tmp_path / "file" / "a.gif", 10.0)


@pytest.mark.skipif(HAS_FFMPEG, reason="ffmpeg is installed")
def test_an_mp4_without_ffmpeg_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'ffmpeg plugin, got none; run: pip install "imageio\[ffmpeg\]"'):
        Film(tmp_path / "a.mp4", 10.0)
    assert not (tmp_path / "a.mp4").exists()
    (tmp_path / "mine.mp4").write_text("precious")
    with pytest.raises(ValueError, match="ffmpeg"):
        Film(tmp_path / "mine.mp4", 10.0)
    assert (tmp_path / "mine.mp4").read_text() == "precious"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the plugin leaves its pipes open
@pytest.mark.skipif(not HAS_FFMPEG, reason="ffmpeg is missing")
def test_an_mp4_is_padded_to_even_sides(tmp_path: Path) -> None:
    film = Film(tmp_path / "a.mp4", 10.0)
    for grey in (0, 100, 200):
        film.add(np.full((33, 65, 3), grey, np.uint8))
    film.close()
    assert imageio.imread(film.path, plugin="FFMPEG").shape == (3, 34, 66, 3)


def test_a_film_without_a_picture_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.gif").write_bytes(b"precious")
    for name in ("mine.gif", "new.gif"):
        Film(tmp_path / name, 10.0).close()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("mine.gif", b"precious")]


def test_a_film_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"x" * 10_000)
    film = Film(tmp_path / "a.gif", 10.0)
    film.add(np.full((6, 8, 3), 7, np.uint8))
    film.close()
    assert imageio.imread(film.path, index=None).max() == 7


def test_films_of_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.gif").touch()
    assert unused(tmp_path / "a.gif") == tmp_path / "a-2.gif"
    (tmp_path / "a-2.gif").touch()
    assert unused(tmp_path / "a.gif") == tmp_path / "a-3.gif"
    path = new_film_path(tmp_path)
    path.touch()
    assert not new_film_path(tmp_path).exists()


@pytest.mark.skipif(not HAS_FFMPEG, reason="ffmpeg is missing")
def test_an_mp4_on_a_full_disk_is_told_and_plays_as_far_as_it_goes(tmp_path: Path) -> None:
    code = """
import resource, sys
import numpy as np
from pathlib import Path
from wm_gym.play.film import Film
film = Film(Path(sys.argv[1]), 10.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
for picture in np.random.default_rng(0).integers(0, 256, (60, 64, 64, 3), dtype=np.uint8):
    film.add(picture)
try:
    film.close()
except OSError as error:
    print(error)
"""
    path = tmp_path / "a.mp4"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert "a film must have room on its disk, got" in done.stdout and "of 60 pictures into" in done.stdout


@pytest.mark.skipif(not HAS_FFMPEG, reason="ffmpeg is missing")
def test_a_folder_is_no_film(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(IsADirectoryError, match="a.mp4"):
        Film(tmp_path / "a.mp4", 10.0)
