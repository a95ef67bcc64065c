"""The example trains in the dream and plays in the real world."""

import re

import pytest

from examples.train_in_dream import main


def test_it_trains_and_plays(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--steps", "128", "--worlds", "8", "--episodes", "2"])
    line = capsys.readouterr().out
    assert re.search(r"128 dreamed steps, then 2 real episodes: return \d\.\d\d \+- \d\.\d\d", line)
