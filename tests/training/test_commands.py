"""The training commands, from a dataset to a checkpoint that steps."""

import gc
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.worlds import tiny_dataset, tiny_size
from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoderConfig
from wm_gym.checkpoint_manifest import CheckpointError
from wm_gym.data.manifest import DatasetError
from wm_gym.training.__main__ import main
from wm_gym.training.autoencoder_stage import AutoencoderStageConfig
from wm_gym.training.commands import TrainAutoencoder, TrainWorldModel, locate_autoencoder, read_autoencoder
from wm_gym.training.loop import LoopConfig, TrainingError
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import WorldModelStageConfig
from wm_gym.world_model import WorldModel

WEIGHTS = "diffusion_pytorch_model.safetensors"


def train_autoencoder(data: Path, output: Path, num_iterations: int = 3) -> TrainAutoencoder:
    return TrainAutoencoder(
        data=(data,),
        output=output,
        shape=PatchAutoencoderConfig(latent_channels=4, width=16, num_blocks=1),
        stage=AutoencoderStageConfig(batch_size=4),
        loop=LoopConfig(num_iterations=num_iterations, warmup_iterations=1),
    )


def train_world_model(data: Path, autoencoder: Path, output: Path, num_iterations: int = 3) -> TrainWorldModel:
    return TrainWorldModel(
        data=(data,),
        autoencoder=autoencoder,
        output=output,
        size=tiny_size(),
        stage=WorldModelStageConfig(batch_size=4, num_rounds=3, rollout_fraction=0.5),
        loop=LoopConfig(num_iterations=num_iterations, warmup_iterations=1),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("data")).folder


@pytest.fixture(scope="module")
def autoencoder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained autoencoder that no test changes."""
    output = tmp_path_factory.mktemp("autoencoder")
    train_autoencoder(data, output).run(progress=False)
    return output


def test_trained_autoencoder_is_read_back(autoencoder: Path) -> None:
    network = read_autoencoder(autoencoder)
    assert (network.latent_channels, network.patch_size) == (4, 8)


def test_an_autoencoder_is_found_by_its_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = locate_autoencoder(Path("minigrid"))
    assert (home / "autoencoder" / WEIGHTS).is_file()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "minigrid").mkdir()
    assert locate_autoencoder(Path("minigrid")) == Path("minigrid")  # a folder of that name comes first


def test_a_world_model_is_trained_around_a_shipped_autoencoder(data: Path, tmp_path: Path) -> None:
    train_world_model(data, Path("minigrid"), tmp_path).run(progress=False)
    shipped = locate_autoencoder(Path("minigrid")) / "autoencoder" / WEIGHTS
    trained, own = (read_autoencoder(folder).state_dict() for folder in (tmp_path, shipped.parents[1]))
    assert all(torch.equal(trained[name], own[name]) for name in own)


def test_a_missing_autoencoder_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"or one of \[.*'minigrid'.*\], got .*nowhere"):
        train_world_model(data, tmp_path / "nowhere", tmp_path / "out").run(progress=False)


def test_trained_world_model_steps(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    result = train_world_model(data, autoencoder, tmp_path).run(progress=False)
    assert (result.iteration, result.interrupted) == (3, False)
    model = WorldModel.from_pretrained(tmp_path)
    _, output = model.step(model.reset(model.starts["slide"][:2], seeds=[0, 1]), ["go left", ""])
    assert output.frames.shape == (2, 1, 32, 32, 3)


def test_world_model_keeps_the_autoencoder_bit_for_bit(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    train_world_model(data, autoencoder, tmp_path).run(progress=False)
    assert (tmp_path / "autoencoder" / WEIGHTS).read_bytes() == (autoencoder / "autoencoder" / WEIGHTS).read_bytes()


def test_finished_training_goes_on_to_a_higher_number(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    train_world_model(data, autoencoder, tmp_path).run(progress=False)
    before = WorldModel.from_pretrained(tmp_path).card.weights_hash
    assert train_world_model(data, autoencoder, tmp_path, num_iterations=5).run(progress=False).iteration == 5
    assert WorldModel.from_pretrained(tmp_path).card.weights_hash != before


def test_resume_with_another_size_is_refused(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    train_world_model(data, autoencoder, tmp_path).run(progress=False)
    other = TrainWorldModel(
        data=(data,),
        autoencoder=autoencoder,
        output=tmp_path,
        size=tiny_size(history_rounds=4),
        stage=WorldModelStageConfig(batch_size=4, num_rounds=3, rollout_fraction=0.5),
        loop=LoopConfig(num_iterations=3, warmup_iterations=1),
    )
    with pytest.raises(TrainingError, match="must keep the configuration"):
        other.run(progress=False)


def test_resume_with_other_data_is_refused(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    train_world_model(data, autoencoder, tmp_path / "run").run(progress=False)
    other = tiny_dataset(tmp_path / "other", chunk_frames=1, num_episodes=3).folder
    with pytest.raises(TrainingError, match="must keep the configuration.*data "):
        train_world_model(other, autoencoder, tmp_path / "run").run(progress=False)


def test_resume_around_another_autoencoder_is_refused(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    train_world_model(data, autoencoder, tmp_path / "run").run(progress=False)
    train_autoencoder(data, tmp_path / "other", num_iterations=1).run(progress=False)
    with pytest.raises(TrainingError, match="must keep the configuration.*autoencoder "):
        train_world_model(data, tmp_path / "other", tmp_path / "run").run(progress=False)


def test_frames_that_do_not_divide_into_patches_are_refused(data: Path, tmp_path: Path) -> None:
    command = TrainAutoencoder(data=(data,), output=tmp_path, shape=PatchAutoencoderConfig(patch_size=5))
    with pytest.raises(ValueError, match=r"frame_size must be a multiple of 5 pixels .*got \(32, 32\); record"):
        command.run(progress=False)


def test_missing_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere"):
        train_autoencoder(tmp_path / "nowhere", tmp_path / "output").run(progress=False)


def damage_nothing_there(home: Path) -> None:
    (home / WEIGHTS).unlink()


def damage_cut(home: Path) -> None:
    (home / WEIGHTS).write_bytes((home / WEIGHTS).read_bytes()[:-10])


def damage_config(home: Path) -> None:
    (home / "config.json").write_text("{")


def damage_shape(home: Path) -> None:
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**config, "width": 8}))


@pytest.mark.parametrize("damage", [damage_nothing_there, damage_cut, damage_config, damage_shape])
def test_damaged_autoencoder_is_refused(data: Path, tmp_path: Path, damage: object) -> None:
    train_autoencoder(data, tmp_path, num_iterations=1).run(progress=False)
    assert callable(damage)
    damage(tmp_path / "autoencoder")
    with pytest.raises(
        CheckpointError, match=f"(?s)must be a folder that .* wrote, or one of .*, got {tmp_path} .*; train one first"
    ):
        read_autoencoder(tmp_path)


def loop_arguments(num_iterations: int) -> list[str]:
    return ["--loop.num-iterations", str(num_iterations), "--loop.warmup-iterations", "1"]


def test_command_line_trains(data: Path, tmp_path: Path) -> None:
    shape = ["--shape.width", "16", "--shape.num-blocks", "1", "--stage.batch-size", "4"]
    arguments = ["autoencoder", "--data", str(data), "--output", str(tmp_path), *shape, *loop_arguments(2)]
    assert main(arguments) == 0
    assert read_autoencoder(tmp_path).latent_channels == 16


def test_command_line_says_what_is_wrong_and_returns_2(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = ["--data", str(data), "--autoencoder", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")]
    assert main(["world-model", *arguments, *loop_arguments(2)]) == 2
    assert "train one first" in caplog.text


@pytest.mark.parametrize("command", ["autoencoder", "world-model"])
def test_help_names_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for option in ("--data", "--output", "--loop.num-iterations", "--stage.batch-size", "--loop.seed"):
        assert option in text


def test_same_command_gives_the_same_weights(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    hashes = []
    for number in range(2):
        torch.manual_seed(number)
        train_world_model(data, autoencoder, tmp_path / str(number)).run(progress=False)
        hashes.append(WorldModel.from_pretrained(tmp_path / str(number)).card.weights_hash)
    assert hashes[0] == hashes[1]


def test_same_command_gives_the_same_autoencoder(data: Path, tmp_path: Path) -> None:
    for number in range(2):
        torch.manual_seed(number)
        train_autoencoder(data, tmp_path / str(number)).run(progress=False)
    files = [(tmp_path / str(number) / "autoencoder" / WEIGHTS).read_bytes() for number in range(2)]
    assert files[0] == files[1]


def test_a_signal_ends_the_training_and_its_prefetch(
    data: Path, autoencoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = WorldModelStage.loss

    def interrupted(self: WorldModelStage, iteration: int, generator: torch.Generator) -> Any:
        if iteration == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, iteration, generator)

    monkeypatch.setattr(WorldModelStage, "loss", interrupted)
    command = train_world_model(data, autoencoder, tmp_path, num_iterations=1000)
    result = command.run(progress=False)
    assert (result.iteration, result.interrupted) == (3, True)
    gc.collect()
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
