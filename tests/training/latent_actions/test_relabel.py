"""From unlabelled recordings of the tile to an ordinary labelled dataset; and what is refused on the way."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.latent_actions.constructed import training, with_texts, write_autoencoder
from tests.worlds import Slide, tiny_dataset
from wm_gym.checkpoint_manifest import CheckpointError
from wm_gym.cli import main
from wm_gym.data.check import check
from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.manifest import DatasetError
from wm_gym.data.recording import random_policy, record
from wm_gym.training.latent_actions.checkpoint import MANIFEST, LatentActions, read_latent_actions
from wm_gym.training.latent_actions.relabel import relabel
from wm_gym.training.latent_actions.steps import read_labelled

NAMES = {text: name for name, texts in Slide.action_phrases.items() for text in texts}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unlabelled, labelled and autoencoder, and latent actions trained on the first."""
    home = tmp_path_factory.mktemp("slide")
    recording = record(
        Slide(), random_policy, output=home / "named", num_episodes=60, seed=100, max_steps=12, progress=False
    )
    with_texts(recording, home / "unlabelled", "")
    tiny_dataset(home / "labelled", num_episodes=24)
    write_autoencoder(home)
    training(home / "unlabelled", home, home / "run", num_iterations=400).run(progress=False)
    return home


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tile needs no long fitting."""
    monkeypatch.setattr("wm_gym.training.latent_actions.map.NUM_ITERATIONS", 100)


@pytest.fixture(scope="module")
def latent(folders: Path) -> LatentActions:
    return read_latent_actions(folders / "run")


def arguments(folders: Path, output: Path, **changes: Path) -> list[str]:
    """The command line of a labelling."""
    used = {"latent-actions": folders / "run", "labelled": folders / "labelled", "output": output}
    used |= {name.replace("_", "-"): path for name, path in changes.items() if name != "folder"}
    options = [text for name, path in used.items() for text in (f"--{name}", str(path))]
    return ["data", "label", str(changes.get("folder", folders / "unlabelled")), *options]


def test_gate_is_open_after_training(latent: LatentActions) -> None:
    assert latent.gate.is_open
    assert latent.gate.num_used_codes >= 3  # left, right and down


def test_command_labels_unlabelled_recordings(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(folders, tmp_path / "out"), "--json", str(tmp_path / "report.json")]) == 0
    labelled, truth = Dataset.open(tmp_path / "out"), Dataset.open(folders / "named")
    assert len(labelled) == len(truth) == 60
    right = visible = 0
    for found, true in zip(labelled, truth, strict=True):
        assert np.array_equal(found.observations, true.observations)
        assert np.array_equal(found.rewards, true.rewards)
        assert np.array_equal(found.terminated, true.terminated)
        assert found.info["actions"] == "pseudo labels"
        for step, (said, meant) in enumerate(zip(found.actions, true.actions, strict=True)):
            if (true.observations[step + 1] != true.observations[step]).any():
                visible += 1
                right += NAMES[said] == NAMES[meant]
            else:
                assert NAMES[said] == "wait"
    assert right / visible > 0.9, (right, visible)
    assert len({text for episode in labelled for text in episode.actions}) == 8  # phrasings are drawn
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["still_text"] == "wait"
    assert "60 episodes in" in capsys.readouterr().out


def test_labelled_dataset_is_whole_and_tells_its_origin(folders: Path, latent: LatentActions, tmp_path: Path) -> None:
    parts = Dataset.open(folders / "unlabelled"), Dataset.open(folders / "labelled")
    relabel(latent, *parts, tmp_path / "out", max_episodes=3, progress=False)
    found = Dataset.open(tmp_path / "out").manifest
    assert found.action_phrases == Slide.action_phrases
    assert found.key_map == Slide.key_map
    assert f"pseudo labels: {latent.fingerprint[:12]}" in found.policy
    assert not check(Dataset.open(tmp_path / "out").folder, progress=False).problems


def test_own_texts_are_compared_when_asked(folders: Path, latent: LatentActions, tmp_path: Path) -> None:
    parts = Dataset.open(folders / "named"), Dataset.open(folders / "labelled")
    report = relabel(latent, *parts, tmp_path / "out", max_episodes=10, compare=True, progress=False)
    assert report.truth is not None
    assert report.truth.share > 0.9
    assert report.truth.num_still > 0


def test_stopped_labelling_goes_on_to_the_same_dataset(folders: Path, latent: LatentActions, tmp_path: Path) -> None:
    parts = Dataset.open(folders / "unlabelled"), Dataset.open(folders / "labelled")
    relabel(latent, *parts, tmp_path / "a", max_episodes=2, progress=False)
    relabel(latent, *parts, tmp_path / "a", max_episodes=5, progress=False)
    relabel(latent, *parts, tmp_path / "b", max_episodes=5, progress=False)
    assert Dataset.open(tmp_path / "a").fingerprint == Dataset.open(tmp_path / "b").fingerprint


def test_going_on_with_other_labels_is_refused(folders: Path, latent: LatentActions, tmp_path: Path) -> None:
    parts = Dataset.open(folders / "unlabelled"), Dataset.open(folders / "labelled")
    relabel(latent, *parts, tmp_path / "a", max_episodes=1, progress=False)
    with pytest.raises(DatasetError, match="policy is"):
        relabel(latent, *parts, tmp_path / "a", max_episodes=2, max_labelled_steps=40, progress=False)


def test_closed_gate_refuses(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closed = tmp_path / "run"
    shutil.copytree(folders / "run", closed)
    values = json.loads((closed / MANIFEST).read_text())
    values["gate"]["shuffle_ratio"] = 1.49
    (closed / MANIFEST).write_text(json.dumps(values))
    assert main(arguments(folders, tmp_path / "out", latent_actions=closed)) == 2
    said = capsys.readouterr().err
    assert "action-shuffle ratio of at least 1.5 to label with, got 1.49" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("which", ["folder", "labelled"])
def test_other_frame_size_is_refused(
    folders: Path, tmp_path: Path, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record(
        Slide(),
        random_policy,
        output=tmp_path / "wide",
        num_episodes=2,
        max_steps=4,
        frame_size=(32, 64),
        progress=False,
    )
    assert main(arguments(folders, tmp_path / "out", **{which: tmp_path / "wide"})) == 2
    assert "must be (32, 32), as the latent actions were trained, got (32, 64)" in capsys.readouterr().err


def test_labelled_recording_without_labels_is_refused(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(folders, tmp_path / "out", labelled=folders / "unlabelled")) == 2
    assert "must show at least 2 actions that change the picture, got ['wait']" in capsys.readouterr().err


def test_steps_by_numbers_are_no_labels(folders: Path, latent: LatentActions, tmp_path: Path) -> None:
    dataset = Dataset.open(folders / "labelled")
    manifest = replace(dataset.manifest, control_low=(-1.0,), control_high=(1.0,))
    episode = dataset[0]
    controls = np.zeros((episode.num_steps, 1), np.float32)
    with DatasetWriter.open(tmp_path, manifest) as writer:
        writer.append(replace(episode, actions=("",) * episode.num_steps, controls=controls))
    with pytest.raises(DatasetError, match="got .. in 0 steps with texts"):
        read_labelled(latent, Dataset.open(tmp_path))


def test_labelled_steps_stop_where_asked(folders: Path, latent: LatentActions) -> None:
    dataset = Dataset.open(folders / "labelled")
    known = read_labelled(latent, dataset, max_steps=50)
    texts = [text for episode in dataset for text in episode.actions][:50]
    assert [known.names[number] for number in known.actions] == [NAMES[text] for text in texts]


def test_text_of_no_known_action_is_an_action_of_its_own(folders: Path, latent: LatentActions, tmp_path: Path) -> None:
    dataset = Dataset.open(folders / "labelled")
    with DatasetWriter.open(tmp_path, replace(dataset.manifest, action_phrases={})) as writer:
        for episode in dataset:
            writer.append(episode)
    known = read_labelled(latent, Dataset.open(tmp_path))
    assert known.phrases == {text: (text,) for text in known.names}
    assert set(known.names) == set(dataset.action_texts)


@pytest.mark.parametrize("option", ["--labelled-steps", "--episodes"])
def test_counts_out_of_range_are_refused(
    folders: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(folders, tmp_path / "out"), option, "0"]) == 2
    assert "must be at least" in capsys.readouterr().err


def damage_missing(home: Path) -> None:
    (home / MANIFEST).unlink()


def damage_manifest(home: Path) -> None:
    (home / MANIFEST).write_text('{"format_version": 1')


def damage_version(home: Path) -> None:
    values = json.loads((home / MANIFEST).read_text())
    (home / MANIFEST).write_text(json.dumps({**values, "format_version": 9}))


def damage_cut(home: Path) -> None:
    path = home / "latent_actions" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


def damage_other_autoencoder(home: Path) -> None:
    path = next((home / "autoencoder").glob("*.safetensors"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def damage_shape(home: Path) -> None:
    values = json.loads((home / MANIFEST).read_text())
    values["shape"]["width"] = 24
    (home / MANIFEST).write_text(json.dumps(values))


@pytest.mark.parametrize(
    "damage",
    [damage_missing, damage_manifest, damage_version, damage_cut, damage_other_autoencoder, damage_shape],
)
def test_damaged_checkpoint_is_refused(folders: Path, tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    shutil.copytree(folders / "run", tmp_path / "run")
    damage(tmp_path / "run")
    with pytest.raises(CheckpointError, match="copy the folder again"):
        read_latent_actions(tmp_path / "run")
