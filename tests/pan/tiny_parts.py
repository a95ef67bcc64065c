"""Tiny random parts of the library classes that the PAN-scale preset loads, and folders in their official layout."""

from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    UMT5Config,
    UMT5EncoderModel,
)

LATENT_CHANNELS = 4
TEXT_WIDTH = 16
STATE_WIDTH = 24
WORDS = ["go", "left", "right", "open", "the", "door"]
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<pad>", "</s>", "<unk>"]


def scatter(module: nn.Module, seed: int = 0, scale: float = 0.3) -> None:
    """Random values for every weight, also for those that start at zero."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data.copy_(parameter + scale * torch.randn(parameter.shape, generator=generator))


def tiny_vae(**changes: object) -> AutoencoderKLWan:
    torch.manual_seed(0)
    settings = {
        "base_dim": 4,
        "z_dim": LATENT_CHANNELS,
        "dim_mult": [1, 1, 2, 2],
        "num_res_blocks": 1,
        "latents_mean": [0.5, -0.25, 0.0, 1.0],
        "latents_std": [2.0, 1.0, 0.5, 1.5],
    }
    vae = AutoencoderKLWan(**{**settings, **changes})
    scatter(vae, scale=0.1)
    return vae.eval()


def tiny_transformer(**changes: object) -> WanTransformer3DModel:
    torch.manual_seed(0)
    settings = {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": LATENT_CHANNELS,
        "out_channels": LATENT_CHANNELS,
        "text_dim": TEXT_WIDTH,
        "freq_dim": 8,
        "ffn_dim": 32,
        "num_layers": 2,
    }
    transformer = WanTransformer3DModel(**{**settings, **changes})
    scatter(transformer)
    return transformer.eval()


def tiny_text_encoder() -> UMT5EncoderModel:
    torch.manual_seed(0)
    config = UMT5Config(
        vocab_size=len(WORDS) + len(MARKS), d_model=TEXT_WIDTH, d_kv=8, d_ff=16, num_layers=1, num_heads=2
    )
    return UMT5EncoderModel(config).eval()


def tiny_qwen() -> Qwen2_5_VLForConditionalGeneration:
    torch.manual_seed(0)
    text = {
        "vocab_size": len(WORDS) + len(MARKS),
        "hidden_size": STATE_WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 2, 2]},
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    vision = {
        "depth": 2,
        "hidden_size": 16,
        "out_hidden_size": STATE_WIDTH,
        "intermediate_size": 16,
        "num_heads": 2,
        "fullatt_block_indexes": [1],
    }
    model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision))
    scatter(model, scale=0.1)
    return model.eval()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """It ends a text with a special token as umT5's does, unless told to add none."""
    vocabulary = {word: number for number, word in enumerate([*MARKS, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 6)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=MARKS[:5],
    )


def write_video_folder(folder: Path) -> Path:
    """A folder as `Wan-AI/Wan2.1-T2V-1.3B-Diffusers` has it, without the scheduler."""
    tiny_transformer().save_pretrained(folder / "transformer", safe_serialization=True)
    tiny_vae().save_pretrained(folder / "vae", safe_serialization=True)
    tiny_text_encoder().save_pretrained(folder / "text_encoder")
    tiny_tokenizer().save_pretrained(folder / "tokenizer")
    return folder


def write_vision_language_folder(folder: Path) -> Path:
    """A folder as `Qwen/Qwen2.5-VL-7B-Instruct` has it."""
    tiny_qwen().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder
