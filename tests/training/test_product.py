"""A product appears whole or not at all."""

import errno
from functools import partial
from pathlib import Path

import pytest

from wm_gym.training.product import is_unfinished, write_product
from wm_gym.training.training_checkpoint import TrainingError


def _write(folder: Path, version: str) -> None:
    (folder / "part").mkdir()
    (folder / "part" / "weights").write_text(version)
    (folder / "card.json").write_text(version)


def test_a_product_replaces_the_one_before_it(tmp_path: Path) -> None:
    for version in ("old", "new"):
        write_product(partial(_write, version=version), tmp_path)
    assert (tmp_path / "part" / "weights").read_text() == (tmp_path / "card.json").read_text() == "new"


def test_nothing_but_the_product_is_left(tmp_path: Path) -> None:
    write_product(partial(_write, version="new"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.json", "part"]


def test_other_files_of_the_output_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "mine").write_text("mine")
    write_product(partial(_write, version="new"), tmp_path)
    assert (tmp_path / "part" / "mine").read_text() == "mine"


def test_a_full_disk_keeps_the_old_product(tmp_path: Path) -> None:
    def fill_the_disk(folder: Path) -> None:
        _write(folder, "new")
        raise OSError(errno.ENOSPC, "No space left on device")

    write_product(partial(_write, version="old"), tmp_path)
    with pytest.raises(TrainingError, match=f"{tmp_path}, got: .*No space left.*make room"):
        write_product(fill_the_disk, tmp_path)
    assert (tmp_path / "part" / "weights").read_text() == "old"
    assert not is_unfinished(tmp_path)


def test_a_cut_export_is_seen(tmp_path: Path) -> None:
    def cut(folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_product(cut, tmp_path)
    assert is_unfinished(tmp_path)


def test_json_is_swapped_in_after_the_weights_that_it_describes(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()  # a folder where the export has a file: the swap of the weights fails

    def export(folder: Path) -> None:
        (folder / "weights").write_text("new")
        (folder / "card.json").write_text("new")

    with pytest.raises(TrainingError):
        write_product(export, tmp_path)
    assert not (tmp_path / "card.json").exists()
