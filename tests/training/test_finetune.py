"""Fine-tuning, from a checkpoint and a recording to a checkpoint of more worlds."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from safetensors.torch import load_file

import wm_gym
from tests.training.finetuning import AUTOENCODER_STAGE, LOOP, STAGE, swim_dataset
from tests.worlds import tiny_dataset, tiny_general_model, write_tiny_checkpoint
from wm_gym.checkpoint import read_card, write_checkpoint
from wm_gym.checkpoint_manifest import CheckpointError
from wm_gym.cli import main
from wm_gym.data.dataset import Dataset
from wm_gym.training.finetune import Finetune, finetune
from wm_gym.training.loop import TrainingError, TrainResult
from wm_gym.training.world_model_stage_config import WorldModelStageConfig
from wm_gym.world_model import WorldModel

WEIGHTS = "diffusion_pytorch_model.safetensors"
LORA = {"lora_rank": 2}
AUTOENCODER = {"autoencoder": True}


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained checkpoint of `Slide` that no test changes; its recording lies in `slide-data` beside it."""
    folder = tmp_path_factory.mktemp("old") / "slide"
    write_tiny_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def swim(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return swim_dataset(tmp_path_factory.mktemp("swim"))


def replay_of(checkpoint: Path) -> Path:
    return checkpoint.with_name("slide-data")


def tune(checkpoint: Path, data: Any, output: Path, **options: Any) -> TrainResult:
    """Fine-tune for three iterations."""
    quick = {"stage": STAGE, "loop": LOOP, "autoencoder_stage": AUTOENCODER_STAGE, "autoencoder_loop": LOOP}
    return finetune(checkpoint, data, output=output, progress=False, **{**quick, **options})


def weights(folder: Path, part: str) -> dict[str, torch.Tensor]:
    return load_file(folder / part / WEIGHTS)


def changes(before: Path, after: Path, part: str) -> set[str]:
    """Names of the weights of a part that differ."""
    old, new = weights(before, part), weights(after, part)
    assert old.keys() == new.keys()
    return {name for name in old if not torch.equal(old[name], new[name])}


@contextmanager
def stopped_after(folder: Path) -> Iterator[None]:
    """SIGTERM to this process once the folder holds a training checkpoint."""

    def watch() -> None:
        while not ended.is_set() and not any(folder.glob("training/iteration_*")):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    ended, before = threading.Event(), signal.signal(signal.SIGTERM, lambda *_: None)  # a late one harms nobody
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("options", [{}, LORA, AUTOENCODER], ids=["full", "lora", "autoencoder"])
def test_a_new_world_is_added_and_the_old_one_still_works(
    slide: Path, swim: Dataset, tmp_path: Path, options: dict[str, Any]
) -> None:
    result = tune(slide, swim, tmp_path, replay=replay_of(slide), **options)
    assert (result.iteration, result.interrupted) == (3, False)
    for world, text in (("swim", "paddle left"), ("slide", "go left")):
        env = gym.make("wm_gym/World-v0", checkpoint=tmp_path, world=world)
        env.reset(seed=0)
        observation, reward, *_ = env.step(text)
        assert observation.shape == (1, 32, 32, 3)
        assert reward in read_rewards(tmp_path)
        env.close()


def read_rewards(folder: Path) -> tuple[float, ...]:
    return tuple(WorldModel.from_pretrained(folder).heads.config["reward_values"])


def test_a_model_without_memory_is_given_one(slide: Path, tmp_path: Path) -> None:
    tune(slide, replay_of(slide), tmp_path, memory_rounds=2)
    model = WorldModel.from_pretrained(tmp_path)
    assert model.transition.memory is not None and model.transition.memory.rounds == 2
    assert any(name.startswith("reader.") for name in weights(tmp_path, "transition"))
    with pytest.raises(ValueError, match="model must have no memory yet, got one of 2 rounds"):
        tune(tmp_path, replay_of(slide), tmp_path / "again", memory_rounds=2)


def test_a_decoder_learns_to_look_further_back(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    tune(slide, swim, tmp_path, past_frames=2)
    assert WorldModel.from_pretrained(tmp_path).decoder.config.past_frames == 2
    with pytest.raises(TrainingError, match="past_frames"):
        tune(slide, swim, tmp_path)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"past_frames": -1}, "past_frames must be at least 0, got -1"),
        ({"past_frames": 2, **LORA}, "lora_rank must be 0 with past_frames"),
        ({"memory_rounds": 3, **LORA}, "lora_rank must be 0 with past_frames or memory_rounds"),
        ({"memory_recency": 2.0}, "memory_recency must be 0.5 without memory_rounds, got 2.0"),
        (
            {"memory_rounds": 3, "stage": WorldModelStageConfig(trained_parts=("transition", "heads"))},
            "trained_parts must name transition and decoder with memory_rounds",
        ),
        ({"past_frames": 1}, "past_frames must be more than the model's own 1, got 1"),
    ],
)
def test_frames_that_it_cannot_look_back_are_refused(
    slide: Path, swim: Dataset, tmp_path: Path, options: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        tune(slide, swim, tmp_path / "refused", **options)


def test_the_package_brings_it() -> None:
    assert wm_gym.finetune is finetune


def test_full_fine_tuning_trains_all_but_the_autoencoder(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    tune(slide, swim, tmp_path)
    assert changes(slide, tmp_path, "autoencoder") == set()
    assert {"patch_embedding.weight", "blocks.0.attn1.to_q.weight"} <= changes(slide, tmp_path, "decoder")
    assert "queries.weight" in changes(slide, tmp_path, "transition")


def test_low_rank_fine_tuning_trains_linear_layers_alone(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    tune(slide, swim, tmp_path, **LORA)
    changed = changes(slide, tmp_path, "decoder")
    assert "blocks.0.attn1.to_q.weight" in changed
    assert all(name.endswith(".weight") and weights(slide, "decoder")[name].ndim == 2 for name in changed)


def test_the_autoencoder_is_fine_tuned_first_when_asked(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    tune(slide, swim, tmp_path, **AUTOENCODER)
    assert changes(slide, tmp_path, "autoencoder")
    assert changes(tmp_path / "finetuned_autoencoder", tmp_path, "autoencoder") == set()


def test_the_old_checkpoint_stays(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in slide.rglob("*") if path.is_file()}
    tune(slide, swim, tmp_path)
    assert {path: path.read_bytes() for path in slide.rglob("*") if path.is_file()} == before


def test_a_layout_of_a_known_world_is_trained_beside_its_old_recording(slide: Path, tmp_path: Path) -> None:
    layout = tiny_dataset(tmp_path / "layout", num_episodes=3)
    result = tune(slide, layout.folder, tmp_path / "output", replay=replay_of(slide))
    assert {"changed/slide", "changed/slide-2"} <= result.metrics.keys()
    assert list(read_card(tmp_path / "output").worlds) == ["slide"]


def test_a_checkpoint_with_a_language_model_learns_a_world_of_texts(swim: Dataset, tmp_path: Path) -> None:
    tiny_general_model(tmp_path / "data").save_pretrained(tmp_path / "general")
    tune(tmp_path / "general", swim, tmp_path / "output", replay=tmp_path / "data" / "steer", **LORA)
    assert list(read_card(tmp_path / "output").worlds) == ["slide", "steer", "swim"]
    env = gym.make("wm_gym/WorldBox-v0", checkpoint=tmp_path / "output", world="steer")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()


def test_several_new_worlds_are_added_at_once(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    other = Dataset(swim.folder, replace(swim.manifest, world="dive"), swim.entries)
    (tmp_path / "dive").mkdir()
    for file in swim.folder.rglob("*"):
        if file.is_file():
            copy = tmp_path / "dive" / file.relative_to(swim.folder)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (tmp_path / "dive" / "manifest.json").write_text(other.manifest.to_json())
    tune(slide, [swim, tmp_path / "dive"], tmp_path / "output")
    assert list(read_card(tmp_path / "output").worlds) == ["slide", "swim", "dive"]


@pytest.mark.parametrize(
    ("options", "stage"),
    [({}, "."), (LORA, "."), (AUTOENCODER, "finetuned_autoencoder")],
    ids=["full", "lora", "autoencoder"],
)
def test_a_resume_equals_an_uninterrupted_fine_tuning_bit_for_bit(
    slide: Path, swim: Dataset, tmp_path: Path, options: dict[str, Any], stage: str
) -> None:
    loops = dict.fromkeys(("loop", "autoencoder_loop"), replace(LOOP, num_iterations=8))
    often = dict.fromkeys(loops, replace(LOOP, num_iterations=8, checkpoint_every=1))
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    tune(slide, swim, straight, **options, **loops)
    with stopped_after(cut / stage):
        stopped = tune(slide, swim, cut, **options, **often)
    assert stopped.interrupted and 0 < stopped.iteration < 8
    resumed = tune(slide, swim, cut, **options, **loops)
    assert (resumed.iteration, resumed.interrupted) == (8, False)
    assert read_card(cut) == read_card(straight)


def test_another_rank_is_not_a_resume(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    tune(slide, swim, tmp_path)
    with pytest.raises(TrainingError, match="must keep the configuration.*lora_rank 0 -> 2"):
        tune(slide, swim, tmp_path, **LORA)


def test_what_the_autoencoder_cannot_show_is_told_with_the_flag(
    slide: Path, swim: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tune(slide, swim, tmp_path)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "shows swim at" in record.getMessage() and "--autoencoder" in record.getMessage()


def test_worlds_that_will_be_forgotten_are_told(
    slide: Path, swim: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    tune(slide, swim, tmp_path / "a", replay=replay_of(slide))
    assert "forgotten" not in caplog.text
    tune(slide, swim, tmp_path / "b")
    assert "no recording of slide is trained on, so that it may be forgotten; name one with --replay" in caplog.text


def test_longer_segments_than_the_checkpoint_remembers_are_cut(
    slide: Path, swim: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert tune(slide, swim, tmp_path, stage=replace(STAGE, num_rounds=9)).iteration == 3
    assert "stage.num_rounds is 4: the checkpoint remembers no more rounds" in caplog.text


def arguments(checkpoint: Path, data: Dataset, output: Path) -> list[str]:
    loops = [
        f"--{loop}.{name}" for loop in ("loop", "autoencoder-loop") for name in ("num-iterations", "warmup-iterations")
    ]
    values = [part for option in loops for part in (option, "2")]
    folders = [str(checkpoint), str(data.folder), "--output", str(output)]
    return ["finetune", *folders, "--stage.batch-size", "4", "--autoencoder-stage.batch-size", "4", *values]


def test_the_command_fine_tunes(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    assert main([*arguments(slide, swim, tmp_path), "--replay", str(replay_of(slide))]) == 0
    assert list(read_card(tmp_path).worlds) == ["slide", "swim"]


def test_a_dry_run_tells_and_writes_nothing(
    slide: Path, swim: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert main([*arguments(slide, swim, tmp_path / "output"), "--autoencoder", "--dry-run"]) == 0
    assert "autoencoder: " in caplog.text and "world model: " in caplog.text
    assert "2 iterations of" in caplog.text
    assert not (tmp_path / "output").exists()


def test_help_is_the_commands_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["finetune", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "wm-gym finetune" in text
    assert all(option in text for option in ("CHECKPOINT", "DATA", "--replay", "--lora-rank", "--dry-run"))


def test_the_command_says_what_is_wrong_and_returns_2(
    slide: Path, swim: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(arguments(slide, swim, slide)) == 2
    assert "output must be a new folder" in caplog.text


def test_an_unknown_checkpoint_is_refused(swim: Dataset, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="checkpoint must be one of"):
        tune(tmp_path / "nowhere", swim, tmp_path)


def test_a_folder_with_another_checkpoint_is_refused(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "other", WorldModel.from_pretrained(slide).parts())
    with pytest.raises(ValueError, match="output must be a new folder .* holds another checkpoint; choose another"):
        tune(slide, swim, tmp_path / "other")


def test_a_negative_rank_is_refused(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lora_rank must be at least 0, got -1; 0 trains every weight"):
        tune(slide, swim, tmp_path, lora_rank=-1)


def test_a_plan_names_both_trainings(slide: Path, swim: Dataset, tmp_path: Path) -> None:
    config = Finetune(
        checkpoint=str(slide),
        data=(swim.folder,),
        output=tmp_path / "output",
        lora_rank=2,
        autoencoder=True,
        stage=STAGE,
        loop=LOOP,
        autoencoder_stage=AUTOENCODER_STAGE,
        autoencoder_loop=LOOP,
    )
    first, second = config.plan()
    assert (first.name, second.name) == ("autoencoder", "world model")
    assert first.num_frozen == 0
    assert second.num_frozen > first.num_trained  # the autoencoder, and what has low-rank updates
    assert not config.output.exists()
