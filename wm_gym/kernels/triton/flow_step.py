"""Twin of `wm_gym.kernels.flow_step`: a program a block of a frame, which reads and writes everything once."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from wm_gym.kernels.choice import INTERPRETED
from wm_gym.kernels.triton.launch import Launch


@triton.jit
@no_type_check
def _kernel(
    noisy,
    output,
    last,
    unguided,
    noise,
    sigma,
    next_sigma,
    next_noisy,
    frames,
    sigma_batch,
    sigma_frame,
    next_batch,
    next_frame,
    guidance_scale,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
    TARGET: tl.constexpr,
    GUIDANCE: tl.constexpr,
    RENOISE: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    batch, frame = row // frames, row % frames
    element = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = element < SIZE
    place = row * SIZE + element
    x = tl.load(noisy + place, mask=inside, other=0.0).to(tl.float32)
    said = tl.load(output + place, mask=inside, other=0.0).to(tl.float32)
    level = tl.load(sigma + batch * sigma_batch + frame * sigma_frame).to(tl.float32)
    next_level = tl.load(next_sigma + batch * next_batch + frame * next_frame).to(tl.float32)
    if GUIDANCE:
        free = tl.load(unguided + place, mask=inside, other=0.0).to(tl.float32)
        said = free + guidance_scale * (said - free)
    clean = said
    if TARGET == "velocity":
        clean = x - level * said
    elif TARGET == "residual":
        clean = tl.load(last + batch * SIZE + element, mask=inside, other=0.0).to(tl.float32) + said
    if RENOISE:
        fresh = tl.load(noise + place, mask=inside, other=0.0).to(tl.float32)
        result = (1.0 - next_level) * clean + next_level * fresh
    else:
        result = clean + next_level / level * (x - clean)
    tl.store(next_noisy + place, result.to(next_noisy.dtype.element_ty), mask=inside)


def flow_step(
    noisy: Tensor,
    output: Tensor,
    sigma: Tensor,
    next_sigma: Tensor,
    prediction_target: str,
    last: Tensor | None,
    unguided: Tensor | None,
    guidance_scale: float,
    noise: Tensor | None,
) -> Tensor:
    """See `flow_step_reference`."""
    result, launch = plan(noisy, output, sigma, next_sigma, prediction_target, last, unguided, guidance_scale, noise)
    launch.run()
    return result


def plan(
    noisy: Tensor,
    output: Tensor,
    sigma: Tensor,
    next_sigma: Tensor,
    prediction_target: str,
    last: Tensor | None,
    unguided: Tensor | None,
    guidance_scale: float,
    noise: Tensor | None,
) -> tuple[Tensor, Launch]:
    """The result's tensor, still empty, and the launch that fills it."""
    batch, frames = noisy.shape[:2]
    size = noisy[0, 0].numel()
    block = min(8192 if INTERPRETED else 1024, triton.next_power_of_2(size))
    result = torch.empty(noisy.shape, dtype=noisy.dtype, device=noisy.device)
    launch = Launch(
        kernel=_kernel,
        grid=(batch * frames, triton.cdiv(size, block)),
        arguments={
            "noisy": noisy.contiguous(),
            "output": output.contiguous(),
            "last": None if last is None else last.contiguous(),
            "unguided": None if unguided is None else unguided.contiguous(),
            "noise": None if noise is None else noise.contiguous(),
            "next_noisy": result,
            "frames": frames,
            "sigma": sigma,
            "sigma_batch": sigma.stride(0),
            "sigma_frame": 0 if sigma.shape[1] == 1 else sigma.stride(1),
            "next_sigma": next_sigma,
            "next_batch": next_sigma.stride(0),
            "next_frame": 0 if next_sigma.shape[1] == 1 else next_sigma.stride(1),
            "guidance_scale": float(guidance_scale),
            "SIZE": size,
            "BLOCK": block,
            "TARGET": prediction_target,
            "GUIDANCE": unguided is not None,
            "RENOISE": noise is not None,
        },
    )
    return result, launch
