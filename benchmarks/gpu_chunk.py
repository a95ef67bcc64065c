"""One decoder chunk at Wan2.1's shapes with random weights: diffusers, the house's decoder, rings, a CUDA graph.

Speed does not depend on the weights. Every row is measured by device events where there is a device, else by the clock.
"""

from functools import partial
from typing import Any

import torch
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor

from benchmarks.gpu_ring_decoder import KERNELS, REFERENCES, Operations, RingDecoder
from benchmarks.gpu_shapes import ChunkShape
from benchmarks.gpu_stages import STAGES, measure_stages
from benchmarks.gpu_timing import Rows, attempt, born, captured, timed
from benchmarks.kernels import milliseconds
from wm_gym.decoder.chunk_attention import ChunkCache
from wm_gym.decoder.sampling import sample_chunk, write_chunk
from wm_gym.decoder.sigmas import sampling_sigmas
from wm_gym.decoder.video_decoder import VideoDecoder, VideoDecoderConfig

WHOLE = "diffusers, window anew"
WAYS = (
    ("ring, references", REFERENCES, False),
    ("ring, kernels", KERNELS, False),
    ("ring, kernels, CUDA graph", KERNELS, True),
)


def measure(name: str, shape: ChunkShape, device: torch.device, dtype: torch.dtype) -> Rows:
    """All rows of a model: the decoder's ways, the autoencoder with and without kernels, the transition, the copy."""
    rows = measure_decoder(shape, device, dtype)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return [{"model": name, **row} for row in rows + measure_stages(shape, device, dtype)]


def measure_decoder(shape: ChunkShape, device: torch.device, dtype: torch.dtype) -> Rows:
    """A row for each way, window and number of steps; one that fails says why."""
    rows: Rows = []
    with born(device, dtype):
        decoder = build_decoder(shape, shape.windows[0][0])
    for window, sink in shape.windows:
        layout = {"stage": "decoder", "window_frames": window, "sink_frames": sink}
        for steps in shape.denoising_steps:
            common = {**layout, "num_denoising_steps": steps}
            for way, operations, graph in WAYS:
                if graph and device.type != "cuda":
                    continue
                run = attempt(partial(ring_chunk, decoder, shape, window, sink, steps, operations, graph))
                rows.append({**common, "way": way, **run})
            if window == shape.windows[0][0]:  # as it was built; it has no sink
                rows.append({**common, "way": "house decoder", **attempt(partial(house_chunk, decoder, shape, steps))})
        run = attempt(partial(whole_window, decoder, shape, window))
        rows.append({**layout, "num_denoising_steps": 1, "way": WHOLE, **run})
    return rows


def build_decoder(shape: ChunkShape, window_frames: int) -> VideoDecoder:
    """The house's decoder with Wan's weights and input channels."""
    config = VideoDecoderConfig(
        latent_channels=16,
        latent_size=shape.latent_size,
        chunk_frames=shape.chunk_frames,
        window_chunks=window_frames // shape.chunk_frames,
        input_channels=("noisy",),
        prediction_target="velocity",
    )
    return VideoDecoder(config, shape.transformer).eval()


def ring_chunk(
    decoder: VideoDecoder, shape: ChunkShape, window: int, sink: int, steps: int, operations: Operations, graph: bool
) -> dict[str, float]:
    """A chunk on a full ring; the text's keys are read before, as they are once an action."""
    noise, text = inputs(decoder, shape)
    layout = {"chunk_frames": shape.chunk_frames, "window_frames": window, "sink_frames": sink}
    ring = RingDecoder(decoder.transformer, batch=1, latent_size=shape.latent_size, operations=operations, **layout)
    read, sigmas = ring.read_text(text), sampling_sigmas(steps, 3.0)
    reading = milliseconds(lambda: ring.read_text(text), noise.device)

    def sample() -> Tensor:
        ring.written.fill_(window * ring.frame_tokens)  # any full ring costs the same, and RoPE's table has an end
        return ring.sample(noise, read, sigmas, full=True)

    return {**timed(captured(sample) if graph else sample, noise.device), "text_ms": reading}


def house_chunk(decoder: VideoDecoder, shape: ChunkShape, steps: int) -> dict[str, float]:
    """A chunk by `sample_chunk` as it is: a cache of keys before RoPE, copied as it moves."""
    noise, text = inputs(decoder, shape)
    cache, past = decoder.empty_cache(1), noise[:, -1:]
    cache.chunks.fill_(decoder.config.window_chunks - 1)
    sigmas = sampling_sigmas(steps, 3.0)

    @torch.no_grad()
    def sample() -> ChunkCache:
        return write_chunk(decoder, cache, sample_chunk(decoder, cache, past, text, noise, sigmas), past, text)

    return timed(sample, noise.device)


def whole_window(decoder: VideoDecoder, shape: ChunkShape, window: int) -> dict[str, float]:
    """One forward pass of diffusers' model over the whole window, what a chunk costs a step without a cache."""
    noise, text = inputs(decoder, shape)
    latents = noise.repeat_interleave(window // shape.chunk_frames, dim=1).transpose(1, 2)
    kept = [block.attn1.processor for block in decoder.transformer.blocks]
    kept_cross = [block.attn2.processor for block in decoder.transformer.blocks]
    for block in decoder.transformer.blocks:
        block.attn1.set_processor(WanAttnProcessor())
        block.attn2.set_processor(WanAttnProcessor())
    level = noise.new_full((1,), 500.0)
    try:
        return timed(
            torch.no_grad()(lambda: decoder.transformer(latents, level, text, return_dict=False)), noise.device
        )
    finally:
        for block, own, cross in zip(decoder.transformer.blocks, kept, kept_cross, strict=True):
            block.attn1.set_processor(own)
            block.attn2.set_processor(cross)


def inputs(decoder: VideoDecoder, shape: ChunkShape) -> tuple[Tensor, Tensor]:
    """Noise and a text for one world."""
    weight = decoder.transformer.proj_out.weight
    kind: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
    noise = torch.randn(1, shape.chunk_frames, 16, *shape.latent_size, **kind)
    return noise, torch.randn(1, shape.text_tokens, shape.text_dim, **kind)


def frames_per_second(rows: Rows, shape: ChunkShape) -> Rows:
    """Chunks' frames a second: of the loop (the decoder alone), and end to end with the best of the other stages.

    Without a cache every denoising step is one more pass over the window, so that one is multiplied. End to end is
    None where a stage has failed.
    """
    around = {
        stage: min(
            (row["milliseconds"] for row in rows if row["stage"] == stage and "milliseconds" in row), default=None
        )
        for stage in STAGES
    }
    others = [took for took in around.values() if took is not None]
    speeds: Rows = []
    for row in rows:
        if row["stage"] != "decoder" or "milliseconds" not in row:
            continue
        for steps in shape.denoising_steps if row["way"] == WHOLE else (row["num_denoising_steps"],):
            took = row["milliseconds"] * (steps if row["way"] == WHOLE else 1)
            whole = 4000 * shape.chunk_frames / (took + sum(others))
            speeds.append(
                {
                    **{key: row[key] for key in ("model", "window_frames", "sink_frames", "way")},
                    "num_denoising_steps": steps,
                    "loop_fps": 4000 * shape.chunk_frames / took,
                    "end_to_end_fps": whole if len(others) == len(STAGES) else None,
                    "around_ms": around,
                }
            )
    return speeds


def render(rows: Rows, speeds: Rows) -> str:
    """Returns the rows as a table, and the frames a second at the most steps below it."""
    lines = [f"{'model':7}{'stage':12}{'way':28}{'window':>9}{'steps':>6}{'ms':>11}{'GiB':>7}"]
    for row in rows:
        window = f"{row['window_frames']}({row['sink_frames']})" if "window_frames" in row else "-"
        steps = row.get("num_denoising_steps", "-")
        took = f"{row['milliseconds']:11.2f}{row.get('peak_gib', 0):7.1f}" if "milliseconds" in row else ""
        failed = f"  {row['failed'][:60]}" if "failed" in row else ""
        lines.append(f"{row['model']:7}{row['stage']:12}{row['way']:28}{window:>9}{steps:>6}{took}{failed}")
    most = max((row["num_denoising_steps"] for row in speeds), default=0)
    for row in speeds:
        if row["num_denoising_steps"] == most:
            whole = "no end to end" if row["end_to_end_fps"] is None else f"{row['end_to_end_fps']:.1f} end to end"
            lines.append(
                f"{row['model']} {row['way']}, window {row['window_frames']}({row['sink_frames']}), {most} steps: "
                f"{row['loop_fps']:.1f} fps of the loop, {whole}"
            )
    return "\n".join(lines)
