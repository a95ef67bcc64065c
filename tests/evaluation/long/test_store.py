"""What is kept of a long evaluation."""

import json
from pathlib import Path

import numpy as np
import pytest

from wm_gym.evaluation.long.store import ReportStore

FACTS = {"checkpoint": "minigrid", "long_steps": 10, "trip_steps": (4, 8)}


def test_parts_are_found_again(tmp_path: Path) -> None:
    store = ReportStore(tmp_path / "deep" / "report", FACTS)
    store.keep("minigrid", "drift", {"value": np.float32(0.5), "nothing": float("nan")}, {"dream": np.zeros((2, 3))})
    assert not store.is_done("minigrid", "drift")
    store.finish("minigrid", "drift")
    again = ReportStore(store.folder, FACTS)
    assert again.is_done("minigrid", "drift") and not again.is_done("minigrid", "actions")
    assert again.report["worlds"]["minigrid"]["drift"] == {"value": 0.5, "nothing": None}
    assert again.pictures("minigrid", "drift")["dream"].shape == (2, 3)
    assert again.pictures("minigrid", "actions") == {}


def test_report_of_another_run_is_refused_and_kept(tmp_path: Path) -> None:
    ReportStore(tmp_path, FACTS).save()
    before = (tmp_path / "report.json").read_bytes()
    with pytest.raises(ValueError, match="got one with another long_steps in .*; delete it or name another folder"):
        ReportStore(tmp_path, FACTS | {"long_steps": 20})
    assert (tmp_path / "report.json").read_bytes() == before


def test_broken_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        ReportStore(tmp_path, FACTS)
    (tmp_path / "report.json").write_text(json.dumps({"format": "other", "run": {}}))
    with pytest.raises(ValueError, match="output must be a new folder or hold a report of this very run"):
        ReportStore(tmp_path, FACTS)
