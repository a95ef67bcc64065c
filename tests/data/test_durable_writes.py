"""A full disk, in a process of its own with a limit on file sizes, loses nothing that was recorded."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.episodes import make_episode, make_manifest, write_dataset
from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.durable_writes import write_whole

pytest.importorskip("resource")

_FILL = """
import resource, sys
from tests.data.episodes import make_episode, make_manifest
from wm_gym.data.dataset import DatasetWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
with DatasetWriter.open(sys.argv[1], make_manifest()) as writer:
    while len(writer) < 100:
        writer.append(make_episode(len(writer)))
"""


def _fill(folder: Path, max_file_bytes: int) -> str:
    """Appends until a file would grow over the limit; returns what stderr says last."""
    command = [sys.executable, "-c", _FILL, str(folder), str(max_file_bytes)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    return done.stderr.splitlines()[-1]


def test_episode_that_does_not_fit_is_one_clear_error_and_leaves_the_rest(tmp_path: Path) -> None:
    write_dataset(tmp_path, make_episode(0), make_episode(1))
    error = _fill(tmp_path, 800)  # an episode takes over 1,000 bytes
    assert "DatasetError" in error and "File too large; the 2 episodes recorded before are kept; free space" in error
    assert list(Dataset.open(tmp_path)) == [make_episode(0), make_episode(1)]
    assert not list(tmp_path.glob("**/*.tmp"))


def test_index_line_that_does_not_fit_leaves_whole_lines(tmp_path: Path) -> None:
    _fill(tmp_path, 2_500)  # an episode fits, the index with 10 lines does not
    dataset = Dataset.open(tmp_path)
    assert 5 < len(dataset) < 20
    assert list(dataset) == [make_episode(number) for number in range(len(dataset))]


def test_recording_goes_on_when_there_is_space_again(tmp_path: Path) -> None:
    _fill(tmp_path / "filled", 2_500)
    with DatasetWriter.open(tmp_path / "filled", make_manifest()) as writer:
        while len(writer) < 20:
            writer.append(make_episode(len(writer)))
    write_dataset(tmp_path / "whole", *map(make_episode, range(20)))
    for path in (tmp_path / "whole").glob("**/*.*"):
        assert path.read_bytes() == (tmp_path / "filled" / path.relative_to(tmp_path / "whole")).read_bytes()


def test_write_whole_replaces_a_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"first")
    write_whole(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"second" and len(list(tmp_path.iterdir())) == 1
