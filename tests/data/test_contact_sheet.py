"""The contact sheet: a row an episode, its frames from first to last."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.episodes import make_episode, write_dataset
from wm_gym.data.contact_sheet import contact_sheet, write_contact_sheet
from wm_gym.data.dataset import DatasetError

LINE = 14  # pixels of text over a row


def test_frames_stand_from_the_first_to_the_last(tmp_path: Path) -> None:
    write_dataset(tmp_path, make_episode(1, 5), make_episode(2, 5))
    sheet = contact_sheet(tmp_path, num_frames=3)
    assert sheet.shape == (2 * (64 + LINE + 2) + 2, 3 * (96 + 2) + 2, 3)  # 4x6 pixels grow to 64x96
    middle = [(2 + LINE + 50 + row * (64 + LINE + 2), 2 + 60 + column * 98) for row in range(2) for column in range(3)]
    assert [int(sheet[y, x, 0]) for y, x in middle] == [10, 12, 15, 20, 22, 25]


def test_rows_are_spread_and_skip_what_is_corrupt(tmp_path: Path) -> None:
    write_dataset(tmp_path, *(make_episode(number, 1) for number in range(5)))
    (tmp_path / "episodes" / "000002.npz").write_bytes(b"no episode")
    sheet = contact_sheet(tmp_path, num_episodes=3, num_frames=1)
    tops = [2 + LINE + 50 + row * (64 + LINE + 2) for row in range(3)]
    assert [int(sheet[top, 62, 0]) for top in tops] == [0, 30, 40]


def test_sheet_is_written_as_png(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", make_episode(0))
    path = write_contact_sheet(tmp_path / "data", tmp_path / "pictures" / "sheet.png")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert np.array_equal(np.asarray(picture), contact_sheet(tmp_path / "data"))


def test_bad_requests_are_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", make_episode(0))
    with pytest.raises(ValueError, match="must be named"):
        write_contact_sheet(tmp_path / "data", tmp_path / "sheet.jpg")
    with pytest.raises(ValueError, match="at least 1"):
        contact_sheet(tmp_path / "data", num_frames=0)
    with pytest.raises(DatasetError, match="must hold a dataset"):
        contact_sheet(tmp_path)
    (tmp_path / "data" / "episodes" / "000000.npz").unlink()
    with pytest.raises(DatasetError, match="at least 1 episode that can be read"):
        contact_sheet(tmp_path / "data")
