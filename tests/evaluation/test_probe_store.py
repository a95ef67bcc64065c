"""Keeping probes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wm_gym.evaluation.probe_store import load_probes, save_probes, stored_probes
from wm_gym.evaluation.probes import Probes

TWIN, MIXED = "envs:real/MiniGrid-v0", "policies.minigrid:mixed"


def collect(folder: Path | None, seed: int = 0) -> tuple[Probes, int]:
    """One probe an action, and how many of them were collected rather than found."""
    told: list[int] = []
    probes = stored_probes(folder, TWIN, MIXED, split="train", num_probes=7, seed=seed, on_probe=told.append)
    return probes, sum(told)


def test_saved_probes_come_back(probes: Probes, tmp_path: Path) -> None:
    save_probes(probes, tmp_path / "deep" / "probes.npz")
    found = load_probes(tmp_path / "deep" / "probes.npz")
    assert found.vocabulary == probes.vocabulary
    for name in ("clips", "outcomes", "valid", "chosen"):
        np.testing.assert_array_equal(getattr(found, name), getattr(probes, name))


def test_probes_are_collected_once(tmp_path: Path) -> None:
    first, collected = collect(tmp_path)
    second, again = collect(tmp_path)
    assert (collected, again) == (first.chosen.sum(), 0) != (0, 0)
    np.testing.assert_array_equal(first.outcomes, second.outcomes)


def test_other_seed_is_collected_anew(tmp_path: Path) -> None:
    collect(tmp_path)
    assert collect(tmp_path, seed=1)[1] > 0
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK"])
def test_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    collect(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    with pytest.raises(ValueError, match="probes must be a file that this version saved, got .*npz .*delete it"):
        collect(tmp_path)


def test_probes_of_another_vocabulary_are_refused(probes: Probes, tmp_path: Path) -> None:
    collect(tmp_path)
    (path,) = tmp_path.iterdir()
    vocabulary = replace(probes.vocabulary, visible=("jump", "turn right", "move forward", "pick up", "drop", "toggle"))
    other = replace(probes, vocabulary=vocabulary)
    save_probes(other, path)
    with pytest.raises(ValueError, match="probes must be of Vocabulary.*turn left.*, got Vocabulary.*jump.*delete it"):
        collect(tmp_path)
