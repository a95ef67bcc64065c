"""The models and pictures that `gpu_chunk.py` and `gpu_stages.py` measure: Wan2.1's, and tiny ones for a smoke run."""

from dataclasses import dataclass, field
from typing import Any

QWEN_7B = {
    **{"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28},
    **{"num_key_value_heads": 4, "vocab_size": 64, "max_position_embeddings": 8192},  # inputs come as embeddings
}


@dataclass(frozen=True, kw_only=True)
class ChunkShape:
    """A model and a picture.

    Attributes:
        heads: attention heads.
        head_dim: width of a head.
        layers: blocks.
        ffn: width inside the MLP.
        text_dim: width of the text encoder.
        text_tokens: tokens of the text.
        latent_size: rows and columns of the latents.
        chunk_frames: latent frames that are denoised together.
        windows: (window, sink) in latent frames, the sink and the chunk included in the window.
        denoising_steps: decoder calls a chunk.
        autoencoder: arguments of `AutoencoderKLWan`; none are Wan2.1's.
        language: arguments of `Qwen2Config`, the transition's language model; Qwen2.5-VL-7B's unless told.
        language_tokens: tokens of a round.
        language_past: tokens in the transition's cache.
    """

    heads: int = 12
    head_dim: int = 128
    layers: int = 30
    ffn: int = 8960
    text_dim: int = 4096
    text_tokens: int = 512
    latent_size: tuple[int, int] = (60, 104)
    chunk_frames: int = 3
    windows: tuple[tuple[int, int], ...] = ((21, 0), (12, 3))
    denoising_steps: tuple[int, ...] = (1, 2, 4)
    autoencoder: dict[str, Any] = field(default_factory=dict)
    language: dict[str, Any] = field(default_factory=lambda: dict(QWEN_7B))
    language_tokens: int = 512
    language_past: int = 4096

    @property
    def transformer(self) -> dict[str, Any]:
        """Arguments of `WanTransformer3DModel`."""
        return {
            "num_attention_heads": self.heads,
            "attention_head_dim": self.head_dim,
            "num_layers": self.layers,
            "ffn_dim": self.ffn,
            "text_dim": self.text_dim,
            "freq_dim": 256,
            "cross_attn_norm": True,
        }


SHAPES = {
    "1.3B": ChunkShape(),
    "14B": ChunkShape(heads=40, layers=40, ffn=13824, denoising_steps=(4,)),
}
SMOKE = {
    "smoke": ChunkShape(
        heads=2,
        head_dim=12,
        layers=1,
        ffn=16,
        text_dim=8,
        text_tokens=3,
        latent_size=(2, 4),
        chunk_frames=1,
        windows=((3, 1),),
        denoising_steps=(1,),
        autoencoder={"base_dim": 6, "z_dim": 4, "dim_mult": [1, 2], "num_res_blocks": 1, "temperal_downsample": [True]},
        language={"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1},
        language_tokens=4,
        language_past=8,
    )
}
