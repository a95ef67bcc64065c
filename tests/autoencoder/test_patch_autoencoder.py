"""Frames to latents and back, each patch for itself."""

import pytest
import torch

from tests.tolerances import assert_near
from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig


def autoencoder(kernel_size: int = 1) -> PatchAutoencoder:
    torch.manual_seed(0)
    config = PatchAutoencoderConfig(patch_size=4, latent_channels=3, width=16, num_blocks=2, kernel_size=kernel_size)
    built: PatchAutoencoder = PatchAutoencoder.build(config)
    return built.eval()


def random_frames(*lead: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (*lead, 12, 20, 3), generator=generator, dtype=torch.uint8)


@torch.no_grad()
def changed_cells(network: PatchAutoencoder) -> list[list[int]]:
    """Which latent cells change when the pixels of cell (1, 2) do."""
    frames = random_frames(1)
    other = frames.clone()
    other[:, 4:8, 8:12] = 255 - other[:, 4:8, 8:12]
    difference = network.encode(frames) - network.encode(other)
    return (difference.abs().amax(dim=1)[0] > 1e-7).int().tolist()


@torch.no_grad()
@pytest.mark.parametrize("lead", [(), (2,), (2, 3), (2, 3, 1)])
def test_leading_axes_are_kept(lead: tuple[int, ...]) -> None:
    network, frames = autoencoder(), random_frames(*lead)
    latents = network.encode(frames)
    assert latents.shape == (*lead, 3, 3, 5)
    assert network.decode_pixels(latents).shape == (*lead, 3, 12, 20)
    assert network.decode(latents).shape == frames.shape


@torch.no_grad()
def test_latents_are_bounded() -> None:
    network = autoencoder()
    for weight in network.encoder[-2].parameters():
        weight.mul_(50)
    latents = network.encode(random_frames(4))
    assert latents.dtype == torch.float32
    assert 0.9 < latents.abs().max() <= 1


def test_kernel_of_one_keeps_every_patch_to_itself() -> None:
    assert changed_cells(autoencoder(kernel_size=1)) == [[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]


def test_kernel_of_three_sees_neighbours() -> None:
    assert sum(map(sum, changed_cells(autoencoder(kernel_size=3)))) > 1


@torch.no_grad()
def test_equal_patches_have_equal_latents() -> None:
    patch = random_frames(1)[:, :4, :4]
    latents = autoencoder().encode(patch.repeat(1, 3, 5, 1))
    assert_near(latents, latents[:, :, :1, :1].expand(-1, -1, 3, 5))


@torch.no_grad()
def test_a_frame_does_not_depend_on_its_batch() -> None:
    network, frames = autoencoder(), random_frames(6)
    assert_near(network.encode(frames[2]), network.encode(frames)[2])


@torch.no_grad()
def test_decode_rounds_and_clips_the_pixels() -> None:
    network = autoencoder()
    latents = 30 * torch.randn(2, 3, 3, 5)
    frames, pixels = network.decode(latents), network.decode_pixels(latents)
    assert frames.dtype == torch.uint8
    assert (int(frames.min()), int(frames.max())) == (0, 255)
    assert pixels.abs().max() > 1
    expected = ((pixels.clamp(-1, 1) + 1) * 127.5).movedim(1, -1)
    assert (frames.float() - expected).abs().max() <= 0.5 + 1e-3


def test_patches_are_decoded_to_their_place() -> None:
    network = autoencoder()
    latents = torch.zeros(1, 3, 3, 5, requires_grad=True)
    network.decode_pixels(latents)[:, :, 8:12, 4:8].sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().sum(dim=1)[0].nonzero().tolist() == [[2, 1]]


def test_gradient_goes_from_pixels_to_every_weight() -> None:
    network = autoencoder()
    network.decode_pixels(network.encode(random_frames(2))).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_sizes_are_read_off_the_config() -> None:
    assert (autoencoder().latent_channels, autoencoder().patch_size) == (3, 4)
