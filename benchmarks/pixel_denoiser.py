"""Steps a second of the real simulator, of a shipped world, and of a pixel-space denoiser of its size, in one run.

The denoiser is DIAMOND's kind (arXiv 2405.12399, github.com/eloialonso/diamond): an EDM-preconditioned U-Net without
attention that sees the last four frames in its channels, their actions by adaptive group norm, and takes three Euler
steps a frame. It is built of diffusers' `UNet2DModel`, as wide as gives the parameters of the world it is compared
with, at the same frame size. Its weights are random: this is about speed and says nothing of pictures. It is timed
without DIAMOND's second network, of rewards and ends, which the world's step includes.

    python -m benchmarks.pixel_denoiser --checkpoint minigrid
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from diffusers import UNet2DModel
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from benchmarks.report import write_report
from benchmarks.step_latency import Case, env_case, first_world, model_case
from wm_gym.evaluation.provenance import machine
from wm_gym.world_model import WorldModel

RESULTS = Path(__file__).parent / "results" / "pixel_denoiser.json"
DENOISER, WORLD, SIMULATOR = "pixel denoiser", "world model", "real simulator"
LEVELS, WIDTHS = 4, range(8, 257, 4)  # of the U-Net: all levels are as wide, as DIAMOND's are
SIGMA_DATA, OFFSET_NOISE = 0.5, 0.3
SIGMA_MIN, SIGMA_MAX, RHO = 2e-3, 5.0, 7

Frames = UInt8[Tensor, "batch frames height width 3"]
Pictures = Float[Tensor, "batch channels height width"]


@dataclass(frozen=True, kw_only=True)
class PixelDenoiserConfig:
    """What to time.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        twin: Gymnasium id of the real simulator with text actions.
        device: Where both models run, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        batches: Worlds at once; the simulator has no batch.
        past_frames: Frames that the denoiser sees; divides 16.
        denoising_steps: Of the denoiser, for each frame.
        rounds: How often all cases take turns.
        steps: Steps of each case in a round; one more before them is not timed.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    twin: str = "envs:real/MiniGrid-v0"
    device: str = "cpu"
    threads: int | None = None
    batches: tuple[int, ...] = (1, 64)
    past_frames: int = 4
    denoising_steps: int = 3
    rounds: int = 5
    steps: int = 3
    output: Path = RESULTS


class PixelDenoiser(nn.Module):
    """D(x; sigma) = c_skip x + c_out U-Net(c_in x, past frames; c_noise, actions), table 1 of arXiv 2206.00364.

    Args:
        width: Channels of every level of the U-Net.
        num_actions: Of the world.
        past_frames: Frames that it sees.
    """

    def __init__(self, width: int, num_actions: int, past_frames: int) -> None:
        super().__init__()
        self.unet = UNet2DModel(
            in_channels=3 * (past_frames + 1),
            out_channels=3,
            down_block_types=("DownBlock2D",) * LEVELS,
            up_block_types=("UpBlock2D",) * LEVELS,
            block_out_channels=(width,) * LEVELS,
            layers_per_block=2,
            norm_num_groups=4,
            add_attention=False,
            resnet_time_scale_shift="scale_shift",  # adaptive group norm
            class_embed_type="identity",  # the actions' embedding is added to that of the noise
        )
        self.actions = nn.Embedding(num_actions, 4 * width // past_frames)

    def forward(
        self,
        noisy: Float[Tensor, "batch 3 height width"],
        sigma: float,
        past: Pictures,
        actions: Int64[Tensor, "batch past"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """The clean frame in [-1, 1] that the noisy one is believed to be, in 256 grey levels as DIAMOND has it."""
        noise = (sigma**2 + OFFSET_NOISE**2) ** 0.5
        c_in = (noise**2 + SIGMA_DATA**2) ** -0.5
        c_skip = SIGMA_DATA**2 / (noise**2 + SIGMA_DATA**2)
        inputs = torch.cat([past / SIGMA_DATA, c_in * noisy], dim=1)
        level = torch.full((len(noisy),), 250 * float(np.log(noise)), device=noisy.device)  # ln(sigma) / 4, in 1000ths
        change = self.unet(inputs, level, class_labels=self.actions(actions).flatten(1)).sample
        clean = c_skip * noisy + noise * c_skip**0.5 * change
        return as_pictures(((clean.clamp(-1, 1) + 1) * 127.5).byte())


def as_pictures(frames: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Grey levels in [-1, 1]."""
    return frames.float() / 127.5 - 1


def sampling_sigmas(num_steps: int) -> list[float]:
    """The noise levels of a frame's steps, the last of them 0: equation 5 of arXiv 2206.00364."""
    ramp = np.linspace(SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO), num_steps) ** RHO
    return [*ramp.tolist(), 0.0]


@torch.no_grad()
def draw_frame(
    denoiser: PixelDenoiser, past: Pictures, actions: Int64[Tensor, "batch past"], num_steps: int
) -> Float[Tensor, "batch 3 height width"]:
    """The next frame by Euler steps, in [-1, 1]; as DIAMOND has it, from noise of variance 1."""
    frame = torch.randn(len(past), 3, *past.shape[2:], device=past.device)
    sigmas = sampling_sigmas(num_steps)
    for sigma, following in zip(sigmas[:-1], sigmas[1:], strict=True):
        slope = (frame - denoiser(frame, sigma, past, actions)) / sigma
        frame = frame + (following - sigma) * slope
    return frame


def denoiser_of(num_parameters: int, num_actions: int, past_frames: int) -> PixelDenoiser:
    """The denoiser whose number of parameters is nearest to one, with random weights."""

    def size(width: int) -> int:
        with torch.device("meta"):
            return count(PixelDenoiser(width, num_actions, past_frames))

    above = bisect_left(WIDTHS, num_parameters, hi=len(WIDTHS) - 1, key=size)
    width = min(WIDTHS[max(above - 1, 0) : above + 1], key=lambda width: abs(size(width) - num_parameters))
    return PixelDenoiser(width, num_actions, past_frames).eval()


def count(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def denoiser_case(denoiser: PixelDenoiser, starts: Frames, batch: int, num_steps: int) -> Case:
    """Steps a batch of pixel worlds with random actions; what it draws is its past."""
    num_actions, device = denoiser.actions.num_embeddings, starts.device
    past_frames = (denoiser.unet.config.in_channels - 3) // 3
    first = as_pictures(starts[torch.arange(batch, device=device) % len(starts), -1].permute(0, 3, 1, 2))
    past = first.repeat(1, past_frames, 1, 1)
    actions = torch.zeros(batch, past_frames, dtype=torch.int64, device=device)

    def step() -> Mapping[str, float]:
        nonlocal past, actions
        chosen = torch.randint(num_actions, (batch, 1), device=device)
        actions = torch.cat([actions[:, 1:], chosen], dim=1)
        frame = draw_frame(denoiser, past, actions, num_steps)
        past = torch.cat([past[:, 3:], frame], dim=1)
        ((frame.clamp(-1, 1) + 1) * 127.5).byte().cpu()  # what an env returns; waits for the device
        return {}

    return Case(name=DENOISER, batch=batch, num_denoising_steps=num_steps, step=step)


def measure(config: PixelDenoiserConfig) -> dict[str, Any]:
    """Times all cases in turns, so that a busy moment of the machine hits all of them.

    Returns:
        The results as JSON values.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    torch.manual_seed(0)
    model = WorldModel.from_pretrained(config.checkpoint, device=config.device)
    world = first_world(model)
    phrases = model.card.worlds[world].action_phrases
    texts = [text for options in phrases.values() for text in options]
    denoiser = denoiser_of(count(model), len(phrases), config.past_frames).to(config.device)
    starts = model.starts[world].to(config.device)
    world_case = partial(model_case, model, texts, num_denoising_steps=model.card.num_denoising_steps)
    cases = [env_case(gym.make(config.twin, disable_env_checker=True), texts, SIMULATOR, 0)]
    for batch in config.batches:
        cases += [world_case(batch=batch), denoiser_case(denoiser, starts, batch, config.denoising_steps)]
    for _ in range(config.rounds):
        for case in cases:
            case.run(config.steps)
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": model.card.weights_hash,
        "shape": [model.card.chunk_frames, *model.card.frame_size, 3],
        "parameters": {WORLD: count(model), DENOISER: count(denoiser)},
        "denoiser": f"random weights, width {denoiser.unet.config.block_out_channels[0]}, without rewards and ends",
        **machine(config.device),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "cases": [case.to_json() for case in cases],
        "ratios": _ratios(cases),
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    parameters = ", ".join(f"{name} {number:,}" for name, number in results["parameters"].items())
    lines = [
        f"{results['checkpoint']} (chunk {results['shape']}) on {results['device_name']}, {results['threads']} threads",
        f"parameters: {parameters}; the denoiser has {results['denoiser']}",
        f"{'case':16}{'batch':>6}{'denoising':>10}{'median ms':>12}{'p95 ms':>12}{'steps/s':>10}",
    ]
    for case in results["cases"]:
        lines.append(
            f"{case['case']:16}{case['batch']:6}{case['num_denoising_steps']:10}{case['median_ms']:12.2f}"
            f"{case['p95_ms']:12.2f}{case['steps_per_second']:10.1f}   n = {case['samples']}"
        )
    for batch, ratios in results["ratios"].items():
        told = ", ".join(f"{ratio:.3g} x the {name}" for name, ratio in ratios.items())
        lines.append(f"world model at batch {batch}, steps a second: {told}")
    return "\n".join(lines)


def _ratios(cases: list[Case]) -> dict[str, dict[str, float]]:
    """Returns how many steps the world takes for each one of the others, by batch."""
    rates = {(case.name, case.batch): 1000 * case.batch / float(np.median(case.milliseconds)) for case in cases}
    return {
        str(batch): {
            DENOISER: rate / rates[DENOISER, batch],
            SIMULATOR: rate / rates[SIMULATOR, 1],
        }
        for (name, batch), rate in rates.items()
        if name == WORLD
    }


def main(config: PixelDenoiserConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(PixelDenoiserConfig, description=__doc__))
