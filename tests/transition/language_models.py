"""Tiny language models of random weights, one that reads both ways and one that reads from left to right."""

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from wm_gym.transition.tokenizer import train_tokenizer

WIDTH, NUM_LAYERS = 32, 3


def write_language_model(folder: Path, model_type: str = "bert", seed: int = 0) -> Path:
    """Write config, weights and tokenizer as the Hugging Face hub has them, and return the folder."""
    tokenizer = train_tokenizer(["turn left", "turn right", "walk forward"], vocabulary_size=300)
    config = AutoConfig.for_model(
        model_type,
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=NUM_LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
    )
    torch.manual_seed(seed)
    AutoModel.from_config(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<action>").save_pretrained(folder)
    return folder
