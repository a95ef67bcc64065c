"""What a PAN-scale world model is made with, beside its parts."""

from dataclasses import dataclass, field
from typing import Literal

from wm_gym.pan.streaming_autoencoder import FRAMES_PER_LATENT
from wm_gym.world_card import WorldCard

Dtype = Literal["bfloat16", "float16", "float32"]
Offload = Literal["none", "parts", "layers"]
Quantization = Literal["none", "fp8"]


def _blank_world() -> WorldCard:
    return WorldCard(render_fps=16, action_phrases={"wait": ("",)}, key_map={}, reward_range=(0.0, 0.0))


@dataclass(frozen=True, kw_only=True)
class PanConfig:
    """Sizes of a PAN-scale world, and how it is run. The defaults are PAN's where the paper gives them.

    Attributes:
        frame_size: (height, width) in pixels.
        chunk_latents: latent frames a step; each is four frames.
        window_chunks: chunks that the decoder's attention sees, the present one included.
        num_state_tokens: tokens of a latent state.
        observed_frames: frames of a chunk that the encoder looks at, a multiple of 2.
        history_rounds: past rounds that the transition sees.
        sink_rounds: how many of them are a world's first rounds.
        max_action_tokens: longest action in tokens of Qwen.
        num_text_tokens: tokens of umT5 that the decoder reads, padding included.
        text_prefix: put before every text that the decoder reads; PAN's server writes "FPS-20 ".
        num_denoising_steps: default decoder calls a chunk.
        guidance_scale: classifier-free guidance weight; 1 is off and halves the decoder's work.
        shift: shift of the noise levels; Wan2.1's own default.
        context_sigma: noise level at which the decoder sees past chunks.
        dtype: of the weights; Wan keeps some in float32 whatever it is.
        autoencoder_dtype: of the autoencoder; diffusers advises float32 for Wan's.
        offload: "parts" keeps on the device only the part that runs, "layers" only a layer of it.
        quantization: "fp8" stores the linear layers of the large networks in 8 bits; needs the extra `fp8`.
        world: the card of the world: its actions' texts, keys and frames a second.
    """

    frame_size: tuple[int, int] = (480, 832)
    chunk_latents: int = 10
    window_chunks: int = 2
    num_state_tokens: int = 256
    observed_frames: int = 2
    history_rounds: int = 10
    sink_rounds: int = 1
    max_action_tokens: int = 256
    num_text_tokens: int = 512
    text_prefix: str = ""
    num_denoising_steps: int = 50
    guidance_scale: float = 4.0
    shift: float = 5.0
    context_sigma: float = 0.055
    dtype: Dtype = "bfloat16"
    autoencoder_dtype: Dtype = "float32"
    offload: Offload = "none"
    quantization: Quantization = "none"
    world: WorldCard = field(default_factory=_blank_world)

    def __post_init__(self) -> None:
        """Check the ranges."""
        counts = ("chunk_latents", "window_chunks", "num_state_tokens", "observed_frames", "max_action_tokens")
        for name in (*counts, "history_rounds", "num_text_tokens", "num_denoising_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.sink_rounds < self.history_rounds:
            rule = f"at least 0 and below history_rounds ({self.history_rounds})"
            raise ValueError(f"sink_rounds must be {rule}, got {self.sink_rounds}")
        if not 0 <= self.context_sigma < 1:
            raise ValueError(f"context_sigma must be at least 0 and below 1, got {self.context_sigma}")
        for name, choices in (("offload", ("none", "parts", "layers")), ("quantization", ("none", "fp8"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        for name in ("dtype", "autoencoder_dtype"):
            if getattr(self, name) not in ("bfloat16", "float16", "float32"):
                raise ValueError(f"{name} must be bfloat16, float16 or float32, got {getattr(self, name)!r}")

    @property
    def chunk_frames(self) -> int:
        """Frames that a step returns."""
        return FRAMES_PER_LATENT * self.chunk_latents
