"""Segments as files: one a state, gone with it."""

import logging
from pathlib import Path

import imageio.v3 as imageio
import pytest

from tests.serve.servers import LONG_STEPS, problem_of, result_of, serving, wait_until
from tests.worlds import FRAME_SIZE
from wm_gym.serve.config import ServeConfig
from wm_gym.serve.job import JobMaker
from wm_gym.serve.messages import FirstRound
from wm_gym.serve.service import Service
from wm_gym.world_model import WorldModel


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
        assert problem_of(response) == (500, "failed")
        assert "FileNotFoundError" in response.json()["detail"]
        folder.mkdir()
        assert result_of(served.first())["rounds"] == 0


def test_a_file_that_cannot_be_removed_is_a_warning(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(checkpoint, segments=tmp_path, max_states=1) as served, caplog.at_level(logging.WARNING):
        for _ in range(2):  # evicted, then deleted
            result = served.root()
            segment = Path(result["segment_path"])
            segment.unlink()
            segment.mkdir()
        assert len(caplog.records) == 1
        assert served.http.delete(f"/states/video/{result['video_id']}").json()["states_deleted"] == 1
        assert served.root()["rounds"] == 0
    assert [record.getMessage()[:40] for record in caplog.records] == ["a segment's file must be removable, got "] * 2


def test_no_file_stays_of_rounds_that_failed(model: WorldModel, tmp_path: Path) -> None:
    service = Service(model, ServeConfig(segments=tmp_path))
    maker = JobMaker(model, max_denoising_steps=1)
    jobs = [maker.first(FirstRound.model_validate({}), None) for _ in range(3)]
    (tmp_path / f"{jobs[1].state_id}.gif").mkdir()  # the second cannot be written
    with pytest.raises(IsADirectoryError):
        service._simulate(jobs)
    assert [path.stem for path in tmp_path.iterdir()] == [jobs[1].state_id]
