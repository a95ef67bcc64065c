"""`wm-gym data`: what its commands print, write and refuse."""

import sys
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from tests.data.episodes import make_episode, make_manifest
from wm_gym.cli import main
from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.recording import random_policy, record


def run(*arguments: str | Path) -> int:
    """The command's exit status, also where the parser exits."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as exit:
        return int(exit.code or 0)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of FrozenLake, whose frames are pictures of 32x32 pixels."""
    folder = tmp_path_factory.mktemp("lake") / "data"
    texts = {0: "left", 1: "down", 2: "right", 3: "up"}
    env = gym.make("FrozenLake-v1", render_mode="rgb_array")
    record(
        env,
        random_policy,
        output=folder,
        num_episodes=3,
        max_steps=5,
        action_texts=texts,
        frame_size=(32, 32),
        progress=False,
    )
    return folder


@pytest.mark.parametrize("command", ["check", "import", "export"])
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run("data", command, "--help") == 0
    assert f"wm-gym data {command}" in " ".join(capsys.readouterr().out.split())


def test_check_prints_and_draws(capsys: pytest.CaptureFixture[str], lake: Path, tmp_path: Path) -> None:
    assert run("data", "check", lake, "--contact-sheet", tmp_path / "sheet.png") == 0
    out = capsys.readouterr().out
    assert "FrozenLake-v1" in out and "0 problems" in out and "'left'" in out
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_check_exits_1_where_there_are_problems(capsys: pytest.CaptureFixture[str], lake: Path, tmp_path: Path) -> None:
    for name in ("good", "bad"):
        with DatasetWriter.open(tmp_path / name, make_manifest()) as writer:
            writer.append(replace(make_episode(0), actions=("go",) * 5))
    (tmp_path / "bad" / "episodes" / "000000.npz").unlink()
    assert run("data", "check", tmp_path / "good") == 0
    assert run("data", "check", tmp_path, "--contact-sheet", tmp_path / "sheet.png") == 1
    assert "episodes/000000.npz, episode 0: must be readable" in capsys.readouterr().out
    assert [path.name for path in tmp_path.glob("*.png")] == ["sheet-good.png"]
    assert run("data", "check", tmp_path / "none") == 2
    assert "dataset must be a folder" in capsys.readouterr().err


def test_minari_there_and_back(capsys: pytest.CaptureFixture[str], lake: Path, tmp_path: Path) -> None:
    pytest.importorskip("minari")
    assert run("data", "export", "minari", lake, "--output", tmp_path / "root", "--dataset-id", "ours/lake-v0") == 0
    folder = tmp_path / "root" / "ours" / "lake-v0"
    assert capsys.readouterr().out.strip() == str(folder)
    assert run("data", "import", f"minari:{folder}", "--output", tmp_path / "back") == 0
    assert "3 episodes" in capsys.readouterr().out
    assert Dataset.open(tmp_path / "back").fingerprint == Dataset.open(lake).fingerprint


@pytest.mark.parametrize("place", ["numpy:rows", "lerobot:rows", "minari:rows"])
def test_options_of_videos_are_refused_elsewhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, place: str
) -> None:
    options = ("--fps", "5", "--min-chunks", "3")
    assert run("data", "import", place, "--output", tmp_path / "out", *options) == 2
    error = capsys.readouterr().err
    assert f"got --fps, --min-chunks with '{place}'; leave them out" in error
    assert not (tmp_path / "out").exists()


def test_lerobot_there_and_back(capsys: pytest.CaptureFixture[str], lake: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("av")
    assert run("data", "export", "lerobot", lake, "--output", tmp_path / "lerobot") == 0
    assert (
        run("data", "import", f"lerobot:{tmp_path / 'lerobot'}", "--output", tmp_path / "back", "--episodes", "2") == 0
    )
    assert "2 episodes" in capsys.readouterr().out
    assert run("data", "import", f"lerobot:{tmp_path / 'lerobot'}", "--output", tmp_path / "back") == 0
    assert "(1 new)" in capsys.readouterr().out
    assert Dataset.open(tmp_path / "back").fingerprint == Dataset.open(lake).fingerprint


def test_numpy_is_imported_with_texts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pixels = np.zeros((3, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", observations=pixels, actions=[1, 0], rewards=[0.0, 1.0], dones=[0, 1])
    arguments = ["--action-texts", '["wait", ["go", "move"]]', "--world", "hall", "--done-means", "truncated"]
    assert run("data", "import", f"numpy:{tmp_path / 'a.npz'}", "--output", tmp_path / "out", *arguments) == 0
    dataset = Dataset.open(tmp_path / "out")
    assert dataset[0].actions[1] == "wait" and dataset[0].actions[0] in ("go", "move")
    assert dataset[0].truncated[-1] and dataset.manifest.world == "hall"
    assert run("data", "check", tmp_path / "out") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "x", "--output", "o"], "source must be a format and a place"),
        (["import", "zarr:x", "--output", "o"], "format must be minari, lerobot, numpy, hdf5 or videos, got 'zarr'"),
        (
            ["import", "numpy:x", "--output", "o", "--action-texts", "[go]"],
            "action_texts must be a JSON list or object",
        ),
        (["import", "numpy:x", "--output", "o", "--action-texts", "3"], "action_texts must be a JSON list or object"),
        (["import", "numpy:x", "--output", "o", "--action-values", "[1]"], "action_values must go with action_texts"),
        (["import", "numpy:x", "--output", "o", "--episodes", "0"], "episodes must be at least 1"),
        (["export", "lerobot", "LAKE"], "output must name the new folder"),
        (["export", "minari", "LAKE", "--fps", "3"], "fps must be left out for minari"),
    ],
)
def test_bad_requests_are_one_line(
    capsys: pytest.CaptureFixture[str], lake: Path, arguments: list[str], message: str
) -> None:
    assert run("data", *(str(lake) if argument == "LAKE" else argument for argument in arguments)) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "module", "extra"),
    [
        (["import", "minari:any", "--output", "o"], "minari", "minari"),
        (["export", "minari", "LAKE", "--output", "o"], "h5py", "minari"),
        (["export", "lerobot", "LAKE", "--output", "OUT"], "pyarrow", "lerobot"),
        (["import", "lerobot:OUT", "--output", "o"], "pyarrow.parquet", "lerobot"),
        (["import", "hdf5:LAKE/a.h5", "--output", "o"], "h5py", "hdf5"),
    ],
)
def test_missing_package_names_its_extra(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lake: Path,
    tmp_path: Path,
    arguments: list[str],
    module: str,
    extra: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (lake / "a.h5").write_bytes(b"")
    monkeypatch.setitem(sys.modules, module, None)
    places = {"LAKE": str(lake), "OUT": str(tmp_path / "new")}
    filled = [
        next((text.replace(name, place) for name, place in places.items() if name in text), text) for text in arguments
    ]
    status = run("data", *filled)
    (lake / "a.h5").unlink()
    err = capsys.readouterr().err
    assert status == 2 and f"pip install 'wm-gym[{extra}]'" in err and len(err.splitlines()) == 1
