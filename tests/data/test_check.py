"""Checking a dataset: what it holds, and every problem with its file and index."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.episodes import make_episode, make_manifest
from wm_gym.data.check import check, find_datasets
from wm_gym.data.check_contents import MAX_DISTINCT
from wm_gym.data.check_lines import lines_of
from wm_gym.data.dataset import DatasetError, DatasetWriter
from wm_gym.data.episode import Episode
from wm_gym.data.manifest import Manifest

SAYABLE = ("wait", "turn left", "go")
PHRASES = {"wait": ("wait", "do nothing"), "left": ("turn left", "left"), "go": ("go",)}


def plain_episode(number: int, num_steps: int = 5, **changes: object) -> Episode:
    """An episode of texts that a learned world takes."""
    episode = make_episode(number, num_steps, reward_step=num_steps - 1)
    values: dict[str, object] = {"actions": tuple(SAYABLE[step % 3] for step in range(num_steps)), **changes}
    return replace(episode, **values)  # type: ignore[arg-type]


def write(folder: Path, *episodes: Episode, **changes: object) -> Path:
    """Writes episodes of plain texts with the manifest that names them."""
    manifest = replace(make_manifest(), **{"action_phrases": PHRASES, **changes})  # type: ignore[arg-type]
    with DatasetWriter.open(folder, manifest) as writer:
        for episode in episodes:
            writer.append(episode)
    return folder


def problems(folder: Path) -> list[str]:
    return [str(problem) for problem in check(folder).problems]


def test_contents_are_counted(tmp_path: Path) -> None:
    episodes = [plain_episode(0, 5), plain_episode(1, 3, terminated=np.zeros(3, bool), truncated=np.arange(3) == 2)]
    report = check(write(tmp_path, *episodes))
    assert report.problems == []
    contents = report.contents
    assert (contents.num_episodes, contents.num_steps, contents.lengths) == (2, 8, {5: 1, 3: 1})
    assert contents.ends == {"terminated": 1, "truncated": 1}
    assert contents.rewards == {0.0: 6, 0.5: 2}
    assert (contents.num_rewarded, contents.return_sum, contents.return_range) == (2, 1.0, (0.5, 0.5))
    assert contents.facts == {"layout": {"room 0": 1, "room 1": 1}}
    assert contents.num_bytes == sum(path.stat().st_size for path in (tmp_path / "episodes").iterdir())


def test_world_events_are_counted_and_checked(tmp_path: Path) -> None:
    episodes = [plain_episode(0, 3, world_events=("", "it rains", text)) for text in ("it rains", "\x00")]
    folder = write(tmp_path, *episodes)
    report = check(folder)
    assert report.contents.world_events == {"it rains": 3, "\x00": 1}
    assert "  world events (steps)" in lines_of(report)
    (problem,) = problems(folder)
    assert "episodes/000001.npz" in problem
    assert "world event must be printable ASCII" in problem


def test_phrasings_of_one_action_are_counted_together(tmp_path: Path) -> None:
    episode = plain_episode(0, 3, actions=("left", "turn left", "do nothing"))
    report = check(write(tmp_path, episode))
    assert report.manifest is not None
    assert report.contents.actions_by_name(report.manifest) == {"turn left": 2, "wait": 1}


def test_facts_of_many_values_are_not_kept(tmp_path: Path) -> None:
    num_episodes = MAX_DISTINCT + 8
    report = check(write(tmp_path, *(plain_episode(number % 20, 1, info={"id": str(number)}) for number in range(40))))
    assert len(report.contents.facts["id"]) == MAX_DISTINCT + 1
    assert any(f"more than {MAX_DISTINCT} different" in line for line in lines_of(report))
    assert report.contents.num_episodes == num_episodes


def test_every_broken_file_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path, *(plain_episode(number) for number in range(5)))
    files = sorted((folder / "episodes").iterdir())
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:-20])
    data = bytearray(files[3].read_bytes())
    data[len(data) // 2] ^= 1
    files[3].write_bytes(data)
    report = check(folder)
    assert report.contents.num_episodes == 2
    assert [(problem.file, problem.episode) for problem in report.problems] == [
        (f"episodes/00000{number}.npz", number) for number in (1, 2, 3)
    ]
    missing, cut, flipped = (problem.message for problem in report.problems)
    assert "No such file" in missing
    assert "must be" in cut and "corrupt" in cut
    assert "checksum" in flipped


def test_wrong_values_are_told_with_their_step(tmp_path: Path) -> None:
    rewards = np.array([0, np.nan, 1], dtype=np.float32)
    none = np.zeros(3, dtype=bool)
    folder = write(
        tmp_path,
        plain_episode(0, 3, rewards=rewards),
        plain_episode(1, 3, terminated=none, truncated=none),
        plain_episode(2, 3, actions=("wait", "go", "jump")),
        plain_episode(3, 3, actions=("öffne", "go", "")),
    )
    first, second, third, fourth = problems(folder)
    assert first == "episodes/000000.npz, episode 0, step 1: reward must be finite, got nan"
    assert second.startswith("episodes/000001.npz, episode 1, step 2: the last step must be terminated or truncated")
    assert third.endswith("step 2: action must be one of the 5 texts of the manifest's action_phrases, got 'jump'")
    assert fourth.startswith("episodes/000003.npz, episode 3, step 0: action must be printable ASCII")


def test_controls_outside_the_manifest_are_told(tmp_path: Path) -> None:
    numbers = np.array([[0, 0], [np.nan, np.nan], [0, 2]], dtype=np.float32)
    episodes = [plain_episode(0, 3, actions=("", "go", ""), controls=numbers), plain_episode(1, 3)]
    folder = write(tmp_path, *episodes, control_low=(-1.0, -1.0), control_high=(1.0, 1.0))
    outside, missing = problems(folder)
    assert "step 2: controls must lie in [[-1.0, -1.0], [1.0, 1.0]], got [0.0, 2.0]" in outside
    assert missing.endswith("controls must have the 2 numbers of the manifest's control_low, got 0")
    report = check(folder)
    assert report.manifest is not None
    assert report.contents.actions_by_name(report.manifest) == {"go": 2, "(numbers)": 2, "wait": 1, "turn left": 1}


def test_other_frames_than_the_manifest_tells_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path, plain_episode(0))
    manifest = Manifest.from_json((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(replace(manifest, frame_size=(8, 8)).to_json())
    (problem,) = problems(folder)
    assert "episode 0" in problem and "must have the frames" in problem


@pytest.mark.parametrize("text", ["", "{}", "[1, 2", '{"format_version": 1}'])
def test_broken_manifest_is_a_problem(tmp_path: Path, text: str) -> None:
    folder = write(tmp_path, plain_episode(0))
    (folder / "manifest.json").write_text(text)
    (problem,) = check(folder).problems
    assert problem.file == "manifest.json" and "restore it" in problem.message


def test_index_that_lost_lines_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path, *(plain_episode(number) for number in range(3)))
    index = folder / "episodes.jsonl"
    lines = index.read_text().splitlines(keepends=True)
    index.write_text(lines[0] + "no json\n" + lines[2][:-9])
    report = check(folder)
    assert report.contents.num_episodes == 1
    assert [(problem.file, problem.episode) for problem in report.problems] == [
        ("episodes.jsonl", 1),
        ("episodes.jsonl", 2),
        ("episodes/000001.npz", None),
        ("episodes/000002.npz", None),
    ]


def test_index_that_tells_another_episode_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path, plain_episode(0))
    entry = json.loads((folder / "episodes.jsonl").read_text())
    (folder / "episodes.jsonl").write_text(json.dumps(entry | {"num_steps": 9}) + "\n")
    (problem,) = problems(folder)
    assert "must describe episodes/000000.npz as it is" in problem


def test_dataset_without_episodes_is_a_problem(tmp_path: Path) -> None:
    assert problems(write(tmp_path)) == ["episodes.jsonl: must list at least 1 episode, got 0; record some"]


def test_repeated_and_static_episodes_are_noted(tmp_path: Path) -> None:
    still = plain_episode(7, 2, observations=np.full((3, 2, 4, 6, 3), 9, dtype=np.uint8))
    report = check(write(tmp_path, plain_episode(0), plain_episode(0), still))
    assert (report.num_repeated, report.contents.num_static, report.problems) == (1, 1, [])
    text = "\n".join(lines_of(report))
    assert "1 episodes equal an earlier one" in text and "no pixel ever changes in 1 episodes" in text


def test_lines_tell_what_is_there(tmp_path: Path) -> None:
    text = "\n".join(lines_of(check(write(tmp_path, plain_episode(0), plain_episode(1, 3)))))
    for part in ("tiny (test/Tiny-v0)", "2, ", "8, 3 to 5 an episode", "4x6 pixels", "terminated 2", "0.5 x 2"):
        assert part in text
    assert text.endswith("0 problems")


def test_datasets_in_subfolders_are_found(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path / name, plain_episode(0))
    assert [path.name for path in find_datasets(tmp_path)] == ["a", "b"]
    assert find_datasets(tmp_path / "a") == [tmp_path / "a"]


def test_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="must hold a dataset"):
        find_datasets(tmp_path)
    with pytest.raises(DatasetError, match="must be a folder"):
        check(tmp_path / "none")
