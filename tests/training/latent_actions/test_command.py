"""`wm-gym train latent-actions`: trains, resumes, plans, and refuses what does not fit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.latent_actions.constructed import training, write_autoencoder
from tests.worlds import tiny_dataset
from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.checkpoint_manifest import CheckpointError
from wm_gym.training.__main__ import main
from wm_gym.training.latent_actions.checkpoint import read_latent_actions
from wm_gym.training.latent_actions.stage import LatentActionStage
from wm_gym.training.loop import TrainingError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("data")).folder


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_autoencoder(tmp_path_factory.mktemp("autoencoder"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_latent_actions(folder).model.state_dict()


def test_command_line_trains_and_says_the_gate(
    data: Path, autoencoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    options = ["--num-codes", "5", "--width", "16", "--num-blocks", "1", "--loop.num-iterations", "2"]
    command = ["latent-actions", "--data", str(data), "--autoencoder", str(autoencoder), "--output", str(tmp_path)]
    assert main([*command, *options]) == 0
    assert read_latent_actions(tmp_path).model.config.num_codes == 5
    assert "shuffled codes make the error" in caplog.text
    assert "of 5 codes used" in caplog.text


def test_dry_run_counts_and_writes_nothing(
    data: Path, autoencoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    command = ["latent-actions", "--data", str(data), "--autoencoder", str(autoencoder)]
    assert main([*command, "--output", str(tmp_path / "none"), "--dry-run"]) == 0
    assert "parameters trained" in caplog.text
    assert not (tmp_path / "none").exists()


def test_resumed_training_equals_an_uninterrupted_one(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    whole = training(data, autoencoder, tmp_path / "whole", 6)
    parts = training(data, autoencoder, tmp_path / "parts", 6)
    whole.run(progress=False)
    loss = LatentActionStage.loss

    def killed(stage: LatentActionStage, iteration: int, generator: torch.Generator) -> object:
        if iteration == 4:
            raise KeyboardInterrupt
        return loss(stage, iteration, generator)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LatentActionStage, "loss", killed)
        with pytest.raises(KeyboardInterrupt):
            replace(parts, loop=replace(parts.loop, checkpoint_every=3)).run(progress=False)
    assert parts.run(progress=False).iteration == 6
    found, expected = weights(tmp_path / "parts"), weights(tmp_path / "whole")
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_finished_training_runs_again_without_harm(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    first = training(data, autoencoder, tmp_path)
    first.run(progress=False)
    before = weights(tmp_path)
    assert first.run(progress=False).iteration == 3
    assert all(torch.equal(weights(tmp_path)[name], before[name]) for name in before)


def test_resume_on_another_autoencoder_is_refused(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    training(data, autoencoder, tmp_path / "run").run(progress=False)
    torch.manual_seed(1)
    other = PatchAutoencoder(latent_channels=4, width=16, num_blocks=1)
    other.save_pretrained(tmp_path / "other" / "autoencoder", safe_serialization=True)
    with pytest.raises(TrainingError, match="autoencoder"):
        training(data, tmp_path / "other", tmp_path / "run").run(progress=False)


def test_shipped_name_is_an_autoencoder(data: Path, tmp_path: Path) -> None:
    command = training(data, Path("minigrid"), tmp_path, 1)
    command.run(progress=False)
    assert read_latent_actions(tmp_path).autoencoder.latent_channels == 16


def test_missing_autoencoder_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="autoencoder must be a folder"):
        training(data, tmp_path / "nothing", tmp_path / "run").run(progress=False)


def test_frames_that_do_not_divide_into_patches_are_refused(data: Path, tmp_path: Path) -> None:
    autoencoder = PatchAutoencoder(patch_size=5, latent_channels=4, width=16, num_blocks=1)
    autoencoder.save_pretrained(tmp_path / "autoencoder", safe_serialization=True)
    with pytest.raises(ValueError, match="frame_size must be a multiple of 5 pixels"):
        training(data, tmp_path, tmp_path / "run").run(progress=False)


def test_single_episode_is_one_clear_error(autoencoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tiny_dataset(tmp_path / "one", num_episodes=1)
    command = ["latent-actions", "--data", str(tmp_path / "one"), "--autoencoder", str(autoencoder)]
    assert main([*command, "--output", str(tmp_path / "run")]) == 2
    assert "at least 2 episodes" in caplog.text
