"""The manifest and the index lines survive their JSON."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.episodes import make_episode, make_manifest
from wm_gym.data.manifest import EpisodeEntry, Manifest, current_versions


def test_manifest_round_trip() -> None:
    manifest = replace(make_manifest(), action_phrases={"wait": ("wait", "")}, key_map={"left": "turn left"})
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_manifest_of_another_format_version_is_rejected() -> None:
    text = make_manifest().to_json().replace('"format_version": 2', '"format_version": 1')
    with pytest.raises(ValueError, match="format_version must be 2"):
        Manifest.from_json(text)


def test_manifest_with_a_missing_fact_is_rejected() -> None:
    with pytest.raises(ValueError, match="world"):
        Manifest.from_json(make_manifest().to_json().replace('"world": "tiny",', ""))


def test_differences_leave_versions_out() -> None:
    manifest = make_manifest()
    assert manifest.differences(replace(manifest, versions={"numpy": "0"})) == []


def test_differences_name_the_fact_and_both_values() -> None:
    assert make_manifest(seed=0).differences(make_manifest(seed=7)) == ["seed is 0, not 7"]


def test_entry_round_trip() -> None:
    entry = EpisodeEntry.of(make_episode(3, reward_step=1), file="episodes/000000.npz", num_bytes=7, crc32=9)
    assert EpisodeEntry.from_json(entry.to_json()) == entry


def test_entry_counts_actions() -> None:
    entry = EpisodeEntry.of(make_episode(3), file="episodes/000000.npz", num_bytes=7, crc32=9)
    assert entry.action_counts == {"wait": 2, "turn left": 2, "öffne \U0001f6aa": 1}


@pytest.mark.parametrize("line", ["[]", "{}", "7", "{", '{"file": "x", "event_steps": []}'])
def test_broken_entry_is_a_value_error(line: str) -> None:
    with pytest.raises(ValueError):
        EpisodeEntry.from_json(line)


def test_versions_name_numpy_and_no_commit_outside_a_checkout(tmp_path: Path) -> None:
    versions = current_versions(tmp_path)
    assert "numpy" in versions and "git" not in versions


def test_data_imports_no_torch() -> None:
    code = (
        "import sys, wm_gym.data.recording, wm_gym.data.segments, wm_gym.data.dataset; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
