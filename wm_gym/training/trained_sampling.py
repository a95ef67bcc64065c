"""What a decoder is trained to be sampled by."""

from dataclasses import replace

from wm_gym.decoder.chunk_sampler import ChunkSampling, check_window
from wm_gym.decoder.swin_config import SwinConfig
from wm_gym.world_model import WorldModel


def train_for(model: WorldModel, sampling: ChunkSampling, swin: SwinConfig) -> None:
    """Say in a model's config what it is trained for from here on; its weights stay.

    The card's number of denoising steps is raised to one that the sampling takes.

    Args:
        model: changed in place.
        sampling: how its chunks will be drawn.
        swin: the window where that is "swin".

    Raises:
        ValueError: a decoder that cannot be sampled so.
    """
    if sampling == "swin":
        check_window(model.decoder)
    model.decoder.config = replace(model.decoder.config, swin=swin if sampling == "swin" else None)
    steps = model.sampler.num_steps(model.card.num_denoising_steps)
    model.card = replace(model.card, num_denoising_steps=steps)
