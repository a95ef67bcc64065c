"""A trained world model given what it lacks; it does what it did until it is trained on."""

from dataclasses import asdict, replace

import torch

from wm_gym.checkpoint import Parts
from wm_gym.decoder.video_decoder import VideoDecoder, VideoDecoderConfig
from wm_gym.transition.memory_bank import MemoryConfig
from wm_gym.transition.transition import Transition


def with_memory(
    parts: Parts,
    memory_rounds: int,
    memory_slots: int = 128,
    memory_recency: float = MemoryConfig.recency,
    seed: int = 0,
) -> Parts:
    """The parts of a world model without memory, with an untrained one that changes nothing until it is trained.

    Args:
        parts: the model's; they stay as they are.
        memory_rounds: rounds that a step recalls.
        memory_slots: rounds that the memory keeps to choose from.
        memory_recency: weight of the oldest of them, where the newest has 1.
        seed: of the memory's initial weights.

    Raises:
        ValueError: the model has a memory, or the numbers are out of range.
    """
    old = parts.transition
    if old.memory is not None:
        raise ValueError(f"model must have no memory yet, got one of {old.memory.rounds} rounds; train it on as it is")
    decoder = parts.decoder.config
    memory = MemoryConfig(
        rounds=memory_rounds,
        slots=memory_slots,
        recency=memory_recency,
        latent_channels=decoder.latent_channels,
        latent_size=decoder.latent_size,
        chunk_frames=decoder.chunk_frames,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transition = Transition(**{**old.config, "memory": asdict(memory)}).to(old.device)
    missing = transition.load_state_dict(old.state_dict(), strict=False).missing_keys
    assert all(name.startswith("reader.") for name in missing), missing
    wider = _with_shown_frames(parts.decoder, replace(decoder, recalled_frames=decoder.chunk_frames))
    return replace(parts, transition=transition.train(old.training), decoder=wider)


def with_past_frames(parts: Parts, past_frames: int) -> Parts:
    """The parts of a world model whose decoder looks further back; it does what it did until it is trained.

    Args:
        parts: the model's; they stay as they are.
        past_frames: latent frames before the chunk that the decoder sees.

    Raises:
        ValueError: it sees as many already.
    """
    old = parts.decoder
    if past_frames <= old.config.past_frames:
        raise ValueError(
            f"past_frames must be more than the model's own {old.config.past_frames}, got {past_frames}; "
            "leave it out to keep them"
        )
    return replace(parts, decoder=_with_shown_frames(old, replace(old.config, past_frames=past_frames)))


def _with_shown_frames(old: VideoDecoder, config: VideoDecoderConfig) -> VideoDecoder:
    """A decoder that is shown more frames than `old`, recalled ones or older ones, and ignores them at first."""
    with torch.random.fork_rng(devices=[]):  # its own first weights are all replaced
        decoder = VideoDecoder(config, dict(old.transformer.config)).to(old.transformer.device)
    weights, name = old.state_dict(), "transformer.patch_embedding.weight"
    seen, channels = weights[name], config.latent_channels
    first = old.config.first_channel("last")
    past = first + old.config.recalled_frames * channels
    recalled, older = (
        seen.new_zeros(len(seen), max(added, 0) * channels, *seen.shape[2:])
        for added in (
            config.recalled_frames - old.config.recalled_frames,
            config.past_frames - old.config.past_frames,
        )
    )
    parts = [seen[:, :first], recalled, seen[:, first:past], older, seen[:, past:]]
    decoder.load_state_dict(weights | {name: torch.cat(parts, dim=1)})
    return decoder.train(old.training)
