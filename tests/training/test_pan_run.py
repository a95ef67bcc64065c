"""The counts of a training at PAN's scale are torch's own, and its memory falls with the number of GPUs."""

import math
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen2_5_VLConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel

from wm_gym.pan.latent_state_stream import LatentStateStream
from wm_gym.pan.wan_decoder import WanDecoder, WanDecoderConfig
from wm_gym.training.__main__ import main
from wm_gym.training.pan_counts import QwenSize, WanSize
from wm_gym.training.pan_run import Cluster, PanRun, page

SMALL = WanSize(width=48, ffn_width=160, num_layers=2, text_width=32, frequencies=16, state_width=40)
CHUNKS, LATENTS, SIDE, WORDS, STATES = 2, 2, 8, 12, 6


def numbers(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def wan(**sizes: Any) -> WanTransformer3DModel:
    return WanTransformer3DModel(**sizes)


def small_decoder() -> WanDecoder:
    transformer = wan(num_attention_heads=4, attention_head_dim=12, ffn_dim=160, num_layers=2, text_dim=32, freq_dim=16)
    config = WanDecoderConfig(latent_size=(SIDE, SIDE), chunk_latents=LATENTS, window_chunks=CHUNKS, shift=5.0)
    return WanDecoder(transformer, config, state_width=40)


def run_small(decoder: WanDecoder, side: int = SIDE) -> Tensor:
    shapes = ((1, CHUNKS, LATENTS, 16, side, side), (1, CHUNKS, WORDS, 32), (1, CHUNKS, STATES, 40))
    noisy, text, state = (torch.randn(shape, dtype=decoder.dtype) for shape in shapes)
    velocity: Tensor = decoder(noisy, torch.full((1, CHUNKS), 0.5, dtype=decoder.dtype), text, state)
    return velocity


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (WanSize(), {}),  # diffusers' defaults are Wan2.1-T2V-14B
        (
            WanSize(width=1536, ffn_width=8960, num_layers=30),
            {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30},
        ),
    ],
)
def test_wans_parameters_are_torchs(size: WanSize, settings: dict[str, Any]) -> None:
    with torch.device("meta"):
        transformer = wan(**settings)
        stream = LatentStateStream(transformer, size.state_width)
    assert size.num_parameters == numbers(transformer.parameters())
    assert size.block_parameters == numbers(transformer.blocks[0].parameters())
    assert size.stream_parameters == numbers(stream.parameters())


def test_qwens_parameters_are_torchs() -> None:
    text = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28}
    text |= {"num_key_value_heads": 4, "vocab_size": 152064}
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584}
    with torch.device("meta"):
        model = Qwen2_5_VLModel(Qwen2_5_VLConfig(text_config=text, vision_config=vision))
    assert QwenSize().language_parameters == numbers(model.language_model.parameters())
    assert QwenSize().vision_parameters == numbers(model.visual.parameters())


def test_wans_operations_are_torchs() -> None:
    decoder = small_decoder()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run_small(decoder)
    tokens = LATENTS * (SIDE // 2) ** 2
    counted = SMALL.forward_operations(num_chunks=CHUNKS, chunk_tokens=tokens, text_tokens=WORDS, state_tokens=STATES)
    masked = SMALL.num_layers * 4 * SMALL.width * tokens**2  # torch counts what the mask leaves out too
    assert counter.get_total_flops() == pytest.approx(counted + masked, rel=0.02)


def saved_bytes(width: int, ffn_width: int, num_layers: int, side: int) -> int:
    """What autograd keeps of a bfloat16 decoder for the backward pass, weights left out."""
    transformer = wan(
        num_attention_heads=4,
        attention_head_dim=width // 4,
        ffn_dim=ffn_width,
        num_layers=num_layers,
        text_dim=32,
        freq_dim=16,
    )
    config = WanDecoderConfig(latent_size=(side, side), chunk_latents=LATENTS, window_chunks=CHUNKS, shift=5.0)
    decoder = WanDecoder(transformer, config, state_width=40).bfloat16()
    sizes = {parameter.untyped_storage().data_ptr(): 0 for parameter in decoder.parameters()}
    kept: list[Tensor] = []  # alive, so that no address is used twice

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes.setdefault(storage.data_ptr(), storage.nbytes())
        kept.append(tensor)
        return tensor

    with saved_tensors_hooks(count, lambda tensor: tensor):
        run_small(decoder, side)
    return sum(sizes.values())


def saved_numbers(width: int, ffn_width: int) -> float:
    """A block's numbers a token, as what one more block and more tokens add."""
    sides = (8, 16)
    added = [saved_bytes(width, ffn_width, 2, side) - saved_bytes(width, ffn_width, 1, side) for side in sides]
    tokens = [CHUNKS * LATENTS * (side // 2) ** 2 for side in sides]
    return (added[1] - added[0]) / (tokens[1] - tokens[0]) / 2


def test_saved_numbers_are_torchs() -> None:
    small, wide, deep = saved_numbers(48, 160), saved_numbers(96, 160), saved_numbers(48, 320)
    sizes = [WanSize(width=width, ffn_width=ffn).saved_numbers for width, ffn in ((48, 160), (96, 160), (48, 320))]
    assert wide - small == sizes[1] - sizes[0]
    assert deep - small == sizes[2] - sizes[0]


def test_shards_are_shared_by_all_gpus() -> None:
    small, large = (PanRun(cluster=Cluster(num_gpus=count)) for count in (8, 64))
    shared = [name for name in small.memory() if "shards" in name]
    assert len(shared) == 2
    for name, size in small.memory().items():
        assert large.memory()[name] == pytest.approx(size / 8 if name in shared else size)
    assert sum(small.memory()[name] for name in shared) == pytest.approx(20 * small.num_trained / 8)
    assert large.samples_per_second <= 8 * small.samples_per_second


def test_a_sample_is_as_the_paper_has_it() -> None:
    run = PanRun()
    assert run.chunk_tokens == 15600  # 10 latent frames of 1560 tokens
    assert run.observation_tokens == 510
    assert 19e9 < run.num_trained < 20e9


def test_a_slow_link_decides() -> None:
    fast, slow = (PanRun(cluster=Cluster(link_bytes=rate)) for rate in (1e15, 1e6))
    assert fast.samples_per_second == pytest.approx(16 / fast.compute_seconds)
    assert slow.samples_per_second == pytest.approx(16 / slow.link_seconds)


def test_the_page_names_every_cluster() -> None:
    text = page(PanRun(), [Cluster(num_gpus=count) for count in (8, 64, 960)])
    assert "| GB on a GPU | 8 GPUs | 64 GPUs | 960 GPUs |" in text
    widths = {line.count("|") for line in text.split("| GB on a GPU")[1].splitlines()[1:]}
    assert widths == {5}


@pytest.mark.parametrize("values", [{"sequence_parallel": 0}, {"utilization": math.nan}])
def test_an_impossible_cluster_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Cluster(**values)  # type: ignore[arg-type]


def test_gpus_that_cannot_be_grouped_are_refused() -> None:
    assert PanRun(cluster=Cluster(num_gpus=9, sequence_parallel=3)).memory()
    with pytest.raises(ValueError, match=r"num_gpus must be a multiple of sequence_parallel \(4\), got 6"):
        PanRun(cluster=Cluster(num_gpus=6))


def test_the_command_prints_the_page(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert main(["pan-plan", "--num-gpus", "16", "32", "--cluster.utilization", "0.5"]) == 0
    assert "| GB on a GPU | 16 GPUs | 32 GPUs |" in caplog.text
    assert main(["pan-plan", "--num-gpus", "6"]) == 2
    assert "num_gpus must be a multiple of sequence_parallel (4), got 6" in caplog.text
