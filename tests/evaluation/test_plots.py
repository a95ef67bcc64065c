"""The pictures of a report."""

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from tests.evaluation.test_report import make_report
from wm_gym.evaluation.plots import plot_failures, plot_fidelity
from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.states import StateReader

RED = (255, 0, 0)


def pixels(path: Path) -> np.ndarray:
    """The picture's RGB, (height, width, 3)."""
    return np.asarray(imageio.imread(path))[..., :3]


@pytest.mark.parametrize("dreams_until", ["the end", "before the horizon"])
def test_curves_are_drawn(
    dreams_until: str, reader: StateReader, explored: list[RealRollout], solved: RealRollout, tmp_path: Path
) -> None:
    real = explored[0] if dreams_until == "the end" else solved
    report = make_report(reader, [real], [real.observations[1:]], horizon=real.num_steps + 2)
    plot_fidelity(report, tmp_path / "plots" / "report.png")
    assert pixels(tmp_path / "plots" / "report.png").shape == (506, 1430, 3)


def test_failures_show_both_rows_and_mark_the_wrong_frame(
    reader: StateReader, explored: list[RealRollout], tmp_path: Path
) -> None:
    dreamed = explored[0].observations[1:].copy()
    dreamed[5:] = 0
    plot_failures(make_report(reader, explored[:1], [dreamed], horizon=16), tmp_path / "failures.png")
    picture = pixels(tmp_path / "failures.png")
    red_rows = np.flatnonzero((picture == RED).all(axis=-1).sum(axis=1) > 80)
    assert len(np.flatnonzero(np.diff(red_rows) > 5)) == 3  # two frames in red: four horizontal edges


def test_no_failure_is_said(reader: StateReader, explored: list[RealRollout], tmp_path: Path) -> None:
    report = make_report(reader, explored[:1], [explored[0].observations[1:]], horizon=16)
    plot_failures(report, tmp_path / "failures.png")
    assert (pixels(tmp_path / "failures.png") < 128).any()
