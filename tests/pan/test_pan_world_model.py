"""A world model made from folders in the official layout steps like every other one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.pan.tiny_parts import write_video_folder, write_vision_language_folder
from tests.production import unchecked
from wm_gym.pan.config import PanConfig
from wm_gym.pan.pan_world_model import PanWorldModel
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

CONFIG = PanConfig(
    frame_size=(32, 48),
    chunk_latents=2,
    num_state_tokens=3,
    history_rounds=2,
    max_action_tokens=4,
    num_text_tokens=6,
    num_denoising_steps=2,
    dtype="float32",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pan")
    return write_vision_language_folder(folder / "qwen"), write_video_folder(folder / "wan")


def make(folders: tuple[Path, Path], **changes: object) -> PanWorldModel:
    torch.manual_seed(0)
    return WorldModel.from_parts(*folders, config=replace(CONFIG, **changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(folders: tuple[Path, Path]) -> PanWorldModel:
    return make(folders)


def frames(batch: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (batch, 8, 32, 48, 3), dtype=np.uint8)


def test_a_step_returns_a_chunk_and_leaves_its_state(model: PanWorldModel) -> None:
    state = model.reset(frames(), seeds=[0])
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    after, output = model.step(state, ["open the door"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())
    assert output.frames.shape == (1, 8, 32, 48, 3) and output.frames.float().std() > 1
    assert after.rounds.tolist() == [1] and output.reward.tolist() == [0] and output.terminated.tolist() == [False]
    for name, tensor in after.tensors().items():
        assert (tensor.shape, tensor.dtype) == (before[name].shape, before[name].dtype), name


def test_equal_seeds_and_texts_give_equal_frames(model: PanWorldModel) -> None:
    state = model.reset(frames(), seeds=[3])
    once, again = (model.step(state, ["go"])[1].frames for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(model.step(state.reseed([4]), ["go"])[1].frames, once)
    assert not torch.equal(model.step(state, ["go left"])[1].frames, once)


def test_context_noise_is_never_below_the_configs(model: PanWorldModel) -> None:
    state = model.reset(frames(), seeds=[0])
    kept = {noise: model.step(state, ["go"], context_noise=noise)[0] for noise in (0.0, 0.001, 0.5)}
    assert torch.equal(kept[0.001].decoder.keys, kept[0.0].decoder.keys)
    assert not torch.equal(kept[0.5].decoder.keys, kept[0.0].decoder.keys)
    assert torch.equal(kept[0.5].frames, kept[0.0].frames)  # it blurs what comes after
    with pytest.raises(ValueError, match=r"context_noise must be in \[0, 1\) here, got 1"):
        model.step(state, ["go"], context_noise=1.0)


def test_the_state_outlives_a_file_bit_for_bit(model: PanWorldModel, tmp_path: Path) -> None:
    state, _ = model.step(model.reset(frames(), seeds=[0]), ["go"])
    state.save(tmp_path / "state.safetensors")
    loaded = WorldState.load(tmp_path / "state.safetensors")
    assert loaded.tensors().keys() == state.tensors().keys()
    assert torch.equal(model.step(loaded, ["left"])[1].frames, model.step(state, ["left"])[1].frames)
    path = tmp_path / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ValueError, match="must have the sha256"):
        WorldState.load(path)


def test_worlds_are_forked_chosen_and_joined_with_their_streams(model: PanWorldModel) -> None:
    pair = model.reset(frames(2), seeds=[0, 1])
    pair, _ = model.step(pair, ["go", "open"])
    both = WorldState.cat([pair.select([1]), pair.select([0])]).select([1, 0])
    forked = pair.select([0]).repeat(2).select([1])
    for found, expected in ((both, pair), (forked, pair.select([0]))):
        assert found.tensors().keys() == expected.tensors().keys()
        assert all(torch.equal(tensor, expected.tensors()[name]) for name, tensor in found.tensors().items())
    alone, _ = model.step(pair.select([1]), ["left"])
    together, _ = model.step(pair, ["right", "left"])
    assert (together.latents[1] - alone.latents[0]).abs().max() < 1e-2  # bytes between decoding and encoding


@pytest.mark.parametrize(
    "change",
    [
        lambda state: replace(state, streams={n: t + (t.dtype != torch.bool) for n, t in state.streams.items()}),
        lambda state: replace(state, decoder=replace(state.decoder, values=state.decoder.values + 1)),
        lambda state: replace(state, transition=replace(state.transition, values=state.transition.values + 1)),
    ],
    ids=["autoencoder", "decoder", "transition"],
)
def test_all_that_is_carried_matters(folders: tuple[Path, Path], change: Callable[[WorldState], WorldState]) -> None:
    model = make(folders)
    for added in model._parts.decoder.stream.copies:
        torch.nn.init.eye_(added.output.weight)  # untrained, the latent state is not looked at
    state, _ = model.step(model.reset(frames(), seeds=[0]), ["go"])
    assert not torch.equal(model.step(change(state), ["go"])[1].frames, model.step(state, ["go"])[1].frames)


def test_an_adapter_is_saved_loaded_and_checked(folders: tuple[Path, Path], tmp_path: Path) -> None:
    model = make(folders)
    for added in model._parts.decoder.stream.copies:
        torch.nn.init.eye_(added.output.weight)
    model.save_adapter(tmp_path)
    loaded = WorldModel.from_parts(*folders, adapter=tmp_path, config=CONFIG)
    outputs = []
    for each in (model, loaded, make(folders)):
        state = each.reset(frames(), seeds=[0])
        outputs.append(each.step(state, ["go"])[1].frames)
    assert torch.equal(outputs[0], outputs[1]) and not torch.equal(outputs[0], outputs[2])
    with pytest.raises(ValueError, match=r"1 misfitting: queries.weight \(\(5, 24\) by the config, \(3, 24\) stored\)"):
        WorldModel.from_parts(*folders, adapter=tmp_path, config=replace(CONFIG, num_state_tokens=5))
    with pytest.raises(ValueError, match="must hold pan.safetensors, which is missing"):
        WorldModel.from_parts(*folders, adapter=tmp_path / "nowhere", config=CONFIG)


def test_guidance_and_steps_change_the_picture(folders: tuple[Path, Path], model: PanWorldModel) -> None:
    plain = make(folders, guidance_scale=1.0)
    pictures = [each.step(each.reset(frames(), seeds=[0]), ["go"])[1].frames for each in (plain, model)]
    more = model.step(model.reset(frames(), seeds=[0]), ["go"], num_denoising_steps=3)[1].frames
    assert not torch.equal(pictures[0], pictures[1]) and not torch.equal(pictures[1], more)


@pytest.mark.parametrize("offload", ["parts", "layers"])
def test_offloading_changes_no_picture(folders: tuple[Path, Path], model: PanWorldModel, offload: str) -> None:
    moved = make(folders, offload=offload)
    pictures = [each.step(each.reset(frames(), seeds=[0]), ["go"])[1].frames for each in (moved, model)]
    assert torch.equal(*pictures)


def test_bfloat16_runs(folders: tuple[Path, Path]) -> None:
    model = make(folders, dtype="bfloat16", autoencoder_dtype="bfloat16")
    state, output = model.step(model.reset(frames(), seeds=[0]), ["go"])
    assert state.decoder.keys.dtype == torch.bfloat16
    model.step(state, ["left"])
    assert output.frames.float().std() > 1


def test_a_long_world_keeps_its_size(model: PanWorldModel) -> None:
    state = model.reset(frames(), seeds=[0])
    size = state.nbytes
    for action in ("go", "left", "right", ""):  # more rounds than the history holds
        state, _ = model.step(state, [action])
        assert state.nbytes == size


def test_a_rollout_is_its_steps(model: PanWorldModel) -> None:
    state = model.reset(frames(), seeds=[0])
    imagined = model.rollout(state, [["go", "left"]], keep_frames=True, keep_state=True)
    expected = []
    for action in ("go", "left"):
        state, output = model.step(state, [action])
        expected.append(output.frames)
    assert imagined.frames is not None
    assert torch.equal(imagined.frames, torch.stack(expected, dim=1))
    assert imagined.state is not None
    assert all(torch.equal(tensor, state.tensors()[name]) for name, tensor in imagined.state.tensors().items())


def test_user_errors_are_named(folders: tuple[Path, Path], model: PanWorldModel) -> None:
    with unchecked():
        state = model.reset(frames(), seeds=[0])
        with pytest.raises(ValueError, match="this checkpoint takes no numbers"):
            model.step(state, [np.zeros(2, np.float32)])
        with pytest.raises(ValueError, match="at most 4 tokens, got 5"):
            model.step(state, ["go go go go go"])
        with pytest.raises(ValueError, match=r"frames must be uint8 .*\(batch, 8, 32, 48, 3\)"):
            model.reset(frames()[:, :1], seeds=[0])
        with pytest.raises(ValueError, match="frame_size must be a multiple of 8"):
            make(folders, frame_size=(30, 48))
        with pytest.raises(ValueError, match="must be a folder or a model of the Hugging Face hub"):
            WorldModel.from_parts("no/where", folders[1], config=CONFIG)
        with pytest.raises(ValueError, match="device must be one that torch has here, got 'cuda:9'"):
            WorldModel.from_parts(*folders, config=CONFIG, device="cuda:9")
        with pytest.raises(ValueError, match="offload must be one of none, parts, layers, got 'disk'"):
            replace(CONFIG, offload="disk")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="saved by save_adapter"):
            model.save_pretrained("x")


def test_fp8_runs_near_bfloat16(folders: tuple[Path, Path]) -> None:
    pytest.importorskip("torchao")
    latents = []
    for quantization in ("none", "fp8"):
        model = make(folders, dtype="bfloat16", quantization=quantization, guidance_scale=1.0)
        latents.append(model.step(model.reset(frames(), seeds=[0]), ["go"])[0].latents)
    assert not torch.equal(*latents)
    assert torch.corrcoef(torch.stack([tensor.flatten() for tensor in latents]))[0, 1] > 0.9
