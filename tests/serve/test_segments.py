"""Segments as files: one a state, gone with it."""

from pathlib import Path

import imageio.v3 as imageio

from tests.serve.servers import LONG_STEPS, result_of, serving, wait_until
from tests.worlds import FRAME_SIZE


def test_files_come_and_go_with_their_states(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "segments"
    with serving(checkpoint, segments=folder, max_states=2) as served:
        root = served.root()
        assert imageio.imread(root["segment_path"], index=None).shape == (1, *FRAME_SIZE, 3)
        children = [result_of(served.proceed(root["new_state_id"])) for _ in range(3)]
        kept = {root["segment_path"], children[-1]["segment_path"]}
        assert {str(path) for path in folder.iterdir()} == kept
        served.http.delete("/states/all")
        assert list(folder.iterdir()) == []


def test_no_file_stays_of_a_round_that_nobody_wants(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, segments=tmp_path, max_denoising_steps=LONG_STEPS) as served:
        root = served.root()
        served.proceed(root["new_state_id"], query="", denoising_steps=LONG_STEPS)
        wait_until(lambda: served.stats()["tasks_processing_by_lb"] == 1)
        served.http.delete("/states/all")
        wait_until(lambda: served.stats()["tasks_processing_by_lb"] == 0)
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_fails_the_round_not_the_server(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "segments"
    with serving(checkpoint, segments=folder) as served:
        folder.rmdir()
        response = served.first()
        assert response.status_code == 500
        assert "FileNotFoundError" in response.json()["detail"]
        folder.mkdir()
        assert result_of(served.first())["rounds"] == 0
