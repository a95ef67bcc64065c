"""The kernels at the shapes of the worlds that call them: what `kernels.py` times and `kernels_build.py` compiles."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from wm_gym.kernels import flow_step, modulated_layer_norm, qk_norm_rope, ring_attention, rms_norm_silu

Arguments = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class VideoShape:
    """A decoder's shape: one chunk of one world or of several.

    Attributes:
        batch: worlds.
        heads: attention heads.
        head_dim: width of a head.
        frame_tokens: tokens of a latent frame.
        chunk_frames: latent frames of a chunk.
        window_frames: latent frames that a chunk sees, its own included.
        sink_frames: those of them that are never evicted.
    """

    batch: int = 1
    heads: int = 12
    head_dim: int = 128
    frame_tokens: int = 30 * 52
    chunk_frames: int = 3
    window_frames: int = 21
    sink_frames: int = 0

    @property
    def width(self) -> int:
        """Channels of the residual stream."""
        return self.heads * self.head_dim

    @property
    def tokens(self) -> int:
        """Tokens of a chunk."""
        return self.chunk_frames * self.frame_tokens

    @property
    def slots(self) -> int:
        """Slots of the ring cache."""
        return self.window_frames * self.frame_tokens


SHAPES = {  # 480x832 is 60x104 latents, patches of 2x2
    "1.3B": VideoShape(),
    "1.3B 9+3": VideoShape(window_frames=12, sink_frames=3),
    "14B": VideoShape(heads=40),
    "minigrid x256": VideoShape(batch=256, heads=4, head_dim=32, frame_tokens=64, chunk_frames=1, window_frames=4),
}
SMOKE = {
    "smoke": VideoShape(batch=2, heads=2, head_dim=16, frame_tokens=8, chunk_frames=2, window_frames=6, sink_frames=2)
}
PICTURES = {  # (channels, frames, height, width) in Wan2.1's VAE decoder, one chunk of three latents
    "96 full": (96, 12, 480, 832),
    "192 half": (192, 12, 240, 416),
    "384 eighth": (384, 3, 60, 104),
}
SMOKE_PICTURES = {"smoke": (6, 2, 5, 7)}


@dataclass(frozen=True, kw_only=True)
class KernelCase:
    """A kernel at a shape.

    Attributes:
        kernel: the public function's name.
        shape: the shape's name.
        draw: random arguments on a device in a dtype.
        public: the function that picks.
        reference: the same in plain torch.
        plan: the twin's launch for those arguments; they may be on the meta device.
        library: what torch has for the same, or None.
        num_bytes: read and written, each tensor once, at two bytes an activation.
        num_flops: of the matrix units.
    """

    kernel: str
    shape: str
    draw: Callable[[torch.device, torch.dtype], Arguments]
    public: Callable[..., Any]
    reference: Callable[..., Any]
    plan: Callable[[Arguments], Any]
    library: Callable[..., Any] | None = None
    num_bytes: int
    num_flops: int = 0


def build_cases(shapes: Mapping[str, VideoShape], pictures: Mapping[str, tuple[int, ...]]) -> list[KernelCase]:
    """Every kernel at every shape that it meets."""
    cases = []
    for name, shape in shapes.items():
        cases += [norm_case(name, shape), rope_case(name, shape), attention_case(name, shape), step_case(name, shape)]
    return cases + [picture_case(name, picture) for name, picture in pictures.items()]


def norm_case(name: str, shape: VideoShape) -> KernelCase:
    """A gated residual and the modulated norm behind it."""
    rows = (shape.batch, shape.tokens, shape.width)

    def draw(device: torch.device, dtype: torch.dtype) -> Arguments:
        table = torch.randn(shape.batch, 6, shape.width, device=device, dtype=wide(dtype))
        gate, scale, shift = table[:, 2:3], table[:, 4:5], table[:, 3:4]
        hidden, update = (torch.randn(rows, device=device, dtype=dtype) for _ in range(2))
        return {"hidden": hidden, "update": update, "gate": gate, "scale": scale, "shift": shift, "eps": 1e-6}

    def plan(arguments: Arguments) -> Any:
        from wm_gym.kernels.triton import modulated_layer_norm as twin

        return twin.plan(**arguments)[-1]

    return KernelCase(
        kernel="residual_layer_norm",
        shape=name,
        draw=draw,
        public=modulated_layer_norm.residual_layer_norm,
        reference=modulated_layer_norm.residual_layer_norm_reference,
        plan=plan,
        num_bytes=4 * 2 * prod(rows),
    )


def rope_case(name: str, shape: VideoShape) -> KernelCase:
    """Norm and rotation of queries and keys, and the write of keys and values into the ring."""
    rows = (shape.batch, shape.tokens, shape.width)
    ring = (shape.batch, shape.slots, shape.heads, shape.head_dim)

    def draw(device: torch.device, dtype: torch.dtype) -> Arguments:
        angles = torch.randn(1, shape.tokens, shape.head_dim // 2, device=device, dtype=wide(dtype))
        query, key, value = torch.randn(*rows[:2], 3 * rows[2], device=device, dtype=dtype).chunk(3, dim=-1)
        weights = torch.randn(2, shape.width, device=device, dtype=dtype)
        return {
            **{"query": query, "key": key, "value": value, "query_weight": weights[0], "key_weight": weights[1]},
            **{"cos": angles.cos(), "sin": angles.sin()},
            "keys": torch.zeros(ring, device=device, dtype=dtype),
            "values": torch.zeros(ring, device=device, dtype=dtype),
            "first_slot": torch.full((shape.batch,), shape.slots - shape.tokens, device=device),
            "eps": 1e-6,
        }

    def plan(arguments: Arguments) -> Any:
        from wm_gym.kernels.triton import qk_norm_rope as twin

        return twin.plan(**arguments)[-1]

    def reference(
        query: Tensor, key: Tensor, value: Tensor, query_weight: Tensor, key_weight: Tensor,
        cos: Tensor, sin: Tensor, keys: Tensor, values: Tensor, first_slot: Tensor, eps: float,
    ) -> Tensor:  # fmt: skip
        rotated = qk_norm_rope.norm_rope_reference(key, key_weight, cos, sin, eps)
        qk_norm_rope.write_ring_reference(keys, rotated, first_slot)
        qk_norm_rope.write_ring_reference(values, value.unflatten(-1, values.shape[2:]), first_slot)
        return qk_norm_rope.norm_rope_reference(query, query_weight, cos, sin, eps)

    return KernelCase(
        kernel="qk_norm_rope_write",
        shape=name,
        draw=draw,
        public=qk_norm_rope.qk_norm_rope_write,
        reference=reference,
        plan=plan,
        num_bytes=6 * 2 * prod(rows) + 2 * 4 * shape.tokens * shape.head_dim // 2,
    )


def attention_case(name: str, shape: VideoShape) -> KernelCase:
    """Attention over a full ring; torch's own is given the same ring and told that all of it is seen."""
    ring = (shape.batch, shape.slots, shape.heads, shape.head_dim)

    def draw(device: torch.device, dtype: torch.dtype) -> Arguments:
        query = torch.randn(shape.batch, shape.tokens, shape.heads, shape.head_dim, device=device, dtype=dtype)
        keys, values = (torch.randn(ring, device=device, dtype=dtype) for _ in range(2))
        written = torch.full((shape.batch,), 3 * shape.slots, device=device)
        sink = shape.sink_frames * shape.frame_tokens
        return {"query": query, "keys": keys, "values": values, "written": written, "sink_tokens": sink}

    def plan(arguments: Arguments) -> Any:
        from wm_gym.kernels.triton import ring_attention as twin

        return twin.plan(**arguments, window_tokens=shape.slots)[-1]

    def library(query: Tensor, keys: Tensor, values: Tensor, written: Tensor, sink_tokens: int) -> Tensor:
        return ring_attention.ring_attention(query, keys, values)

    return KernelCase(
        kernel="ring_attention",
        shape=name,
        draw=draw,
        public=ring_attention.ring_attention,
        reference=ring_attention.ring_attention_reference,
        plan=plan,
        library=library,
        num_bytes=2 * 2 * shape.batch * shape.width * (shape.tokens + shape.slots),
        num_flops=4 * shape.batch * shape.tokens * shape.slots * shape.width,
    )


def step_case(name: str, shape: VideoShape) -> KernelCase:
    """Guidance and the step with fresh noise, on latents of 16 channels and 4 a token."""
    frames = (shape.batch, shape.chunk_frames, 16, 2, 2 * shape.frame_tokens)

    def draw(device: torch.device, dtype: torch.dtype) -> Arguments:
        noisy, output, unguided, noise = (torch.randn(frames, device=device, dtype=dtype) for _ in range(4))
        levels = {"sigma": 0.9, "next_sigma": 0.4}
        sigmas = {
            key: torch.full((shape.batch, 1), level, device=device, dtype=wide(dtype)) for key, level in levels.items()
        }
        return {
            **{"noisy": noisy, "output": output, "unguided": unguided, "noise": noise, "guidance_scale": 5.0},
            **sigmas,
        }

    def plan(arguments: Arguments) -> Any:
        from wm_gym.kernels.triton import flow_step as twin

        return twin.plan(**arguments, prediction_target="velocity", last=None)[-1]

    return KernelCase(
        kernel="flow_step",
        shape=name,
        draw=draw,
        public=flow_step.flow_step,
        reference=flow_step.flow_step_reference,
        plan=plan,
        num_bytes=5 * 2 * prod(frames),
    )


def picture_case(name: str, shape: tuple[int, ...]) -> KernelCase:
    """The autoencoder's norm and activation."""

    def draw(device: torch.device, dtype: torch.dtype) -> Arguments:
        x = torch.randn(1, *shape, device=device, dtype=dtype)
        return {"x": x, "weight": torch.randn(shape[0], 1, 1, 1, device=device, dtype=dtype), "bias": None}

    def plan(arguments: Arguments) -> Any:
        from wm_gym.kernels.triton import rms_norm_silu as twin

        return twin.plan(**arguments, eps=rms_norm_silu.EPS)[-1]

    return KernelCase(
        kernel="rms_norm_silu",
        shape=name,
        draw=draw,
        public=rms_norm_silu.rms_norm_silu,
        reference=rms_norm_silu.rms_norm_silu_reference,
        plan=plan,
        num_bytes=2 * 2 * prod(shape),
    )


def wide(dtype: torch.dtype) -> torch.dtype:
    """The dtype of modulations, angles and noise levels beside activations of `dtype`."""
    return torch.float64 if dtype == torch.float64 else torch.float32
