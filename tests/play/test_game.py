"""`wm-gym play` as a whole: scripts, recordings, and what is told where something is missing."""

from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest

from wm_gym.data.dataset import Dataset
from wm_gym.play.config import PlayConfig
from wm_gym.play.game import play


def test_a_script_is_played_filmed_and_saved(checkpoint: Path, tmp_path: Path) -> None:
    report = play(
        PlayConfig(
            checkpoint=str(checkpoint),
            script="go left,wait * 2,undo,bookmark 1,go down,branch 1,any text",
            record=tmp_path / "film" / "a.gif",
            episodes=tmp_path / "data",
        )
    )
    assert (report.scene.step, report.scene.action) == (3, "any text")
    assert len(imageio.imread(tmp_path / "film" / "a.gif", index=None)) == 9
    episodes = list(Dataset.open(tmp_path / "data" / "dream"))
    assert [episode.actions for episode in episodes] == [
        ("go left", "wait", "go down"),
        ("go left", "wait", "any text"),
    ]
    assert report.files == (str(tmp_path / "film" / "a.gif"), f"2 episodes in {tmp_path}/data/dream")


def test_a_script_that_fails_keeps_its_recordings(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bookmark 4 is empty"):
        play(
            PlayConfig(
                checkpoint=str(checkpoint),
                script="go left,branch 4",
                record=tmp_path / "a.gif",
                episodes=tmp_path / "data",
            )
        )
    assert len(imageio.imread(tmp_path / "a.gif", index=None)) == 2
    assert Dataset.open(tmp_path / "data" / "dream")[0].actions == ("go left",)


def test_saved_play_replays_bit_for_bit(checkpoint: Path, tmp_path: Path) -> None:
    play(PlayConfig(checkpoint=str(checkpoint), script="go left,wait,go down", episodes=tmp_path))
    folder = tmp_path / "dream"
    report = play(PlayConfig(checkpoint=str(checkpoint), replay=folder, script="drive 3"))
    (episode,) = Dataset.open(folder)
    assert [panel.name for panel in report.scene.panels] == ["dream", "recorded"]
    np.testing.assert_array_equal(report.scene.panels[1].chunk, episode.observations[-1])


def test_the_twin_plays_along(tmp_path: Path) -> None:
    pytest.importorskip("minigrid")
    report = play(PlayConfig(world="minigrid", view="both", script="turn left,move forward", episodes=tmp_path))
    assert [panel.name for panel in report.scene.panels] == ["dream", "real"]
    assert Dataset.open(tmp_path / "real").manifest.env_id == "real/MiniGrid-v0"
    assert Dataset.open(tmp_path / "real")[0].info.keys() == {"layout"}


def test_episodes_of_another_twin_are_refused_before_a_step(tmp_path: Path) -> None:
    pytest.importorskip("minigrid")
    options: dict[str, Any] = {"world": "minigrid", "view": "both", "script": "turn left", "episodes": tmp_path}
    play(PlayConfig(**options))
    with pytest.raises(ValueError, match="must fit the recording, but there env_arguments is"):
        play(PlayConfig(**options, twin_arguments='{"layout": "empty"}'))
    assert len(Dataset.open(tmp_path / "dream")) == 1


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "world": ({"world": "atlantis"}, "atlantis"),
    "script": ({"script": "undo it"}, "script must have a number after 'undo'"),
    "film": ({"record": Path("a.avi")}, r"a film must end in \.gif or \.mp4"),
    "policy": ({"policy": "nobody:knows"}, "policy must name a factory"),
    "image": ({"image": Path("/nowhere.png")}, "image must be a picture"),
    "replay": ({"replay": Path("/nowhere")}, "dataset must be a folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_bad_is_told(checkpoint: Path, case: str) -> None:
    options, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        play(PlayConfig(**{"checkpoint": str(checkpoint), "script": "wait"} | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"undo_megabytes": 0}, "undo_megabytes must be at least 1, got 0"),
        ({"image": Path("x"), "view": "both"}, "image must stand with the view 'dream', got 'both'"),
        ({"drive": True}, "drive must have a policy, got none"),
        ({"drive": True, "policy": "a:b", "script": "a"}, "drive must stand without script"),
        ({"replay": Path("x"), "policy": "a:b"}, "replay must stand without image, twin and policy"),
    ],
)
def test_options_that_contradict_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PlayConfig(**options)  # type: ignore[arg-type]


def test_worlds_wait_or_run_as_they_are() -> None:
    assert [PlayConfig().runs(world) for world in ("minigrid", "pong")] == [False, True]
    assert PlayConfig(clock="running").runs("minigrid")
    assert not PlayConfig(clock="turns").runs("pong")


def test_a_start_that_fails_leaves_the_film_of_before(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"precious")
    options: dict[str, Any] = {"script": "wait", "image": tmp_path / "none.png", "record": tmp_path / "a.gif"}
    with pytest.raises(ValueError, match="image must be a picture"):
        play(PlayConfig(checkpoint=str(checkpoint), **options))
    assert (tmp_path / "a.gif").read_bytes() == b"precious"
