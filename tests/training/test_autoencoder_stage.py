"""The autoencoder's loss: every distinct patch counts, and it falls."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tolerances import assert_near
from tests.training.finetuning import swim_dataset
from tests.worlds import tiny_autoencoder, tiny_dataset
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.training.autoencoder_stage import Anchor, AutoencoderStage, AutoencoderStageConfig, patch_weights
from wm_gym.training.commands import read_autoencoder

CONFIG = AutoencoderStageConfig(batch_size=4)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"))


def make_stage(dataset: Dataset, config: AutoencoderStageConfig = CONFIG) -> AutoencoderStage:
    sampler = MixtureSampler(Mixture((dataset,)), num_rounds=1, batch_size=config.batch_size)
    return AutoencoderStage(tiny_autoencoder(), sampler, config)


def make_anchored(datasets: tuple[Dataset, Dataset], worlds: tuple[str, ...], weight: float = 1.0) -> AutoencoderStage:
    """A stage of two worlds whose autoencoder has strayed from its anchor."""
    sampler = MixtureSampler(Mixture(datasets), num_rounds=1, batch_size=4)
    autoencoder = tiny_autoencoder()
    anchor = Anchor.of(autoencoder, worlds)
    with torch.no_grad():
        next(autoencoder.parameters()).add_(0.1)
    return AutoencoderStage(autoencoder, sampler, replace(CONFIG, anchor_weight=weight), anchor=anchor)


def loss_of(stage: AutoencoderStage, iteration: int = 0, seed: int = 0) -> torch.Tensor:
    return stage.loss(iteration, torch.Generator().manual_seed(seed))[0]


def patch_totals(frames: torch.Tensor, patch_size: int) -> list[float]:
    """Total weight of each distinct patch."""
    weights = patch_weights(frames, patch_size)
    n, rows, columns = weights.shape
    patches = frames.numpy().reshape(n, rows, patch_size, columns, patch_size, 3).swapaxes(2, 3)
    _, inverse = np.unique(patches.reshape(n * rows * columns, -1), axis=0, return_inverse=True)
    return np.bincount(inverse.ravel(), weights=weights.flatten().numpy()).tolist()


def test_distinct_patches_weigh_the_same_and_one_on_average(dataset: Dataset) -> None:
    frames = torch.from_numpy(dataset[0].observations[:4, 0])
    totals = patch_totals(frames, 8)
    assert len(totals) == 3  # floor, tile, goal
    assert totals == pytest.approx([4 * 16 / 3] * 3)
    assert_near(patch_weights(frames, 8).mean(), torch.tensor(1.0))


def test_random_patches_are_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (8, 64, 64, 3), generator=generator, dtype=torch.uint8)
    assert_near(patch_weights(frames, 8), torch.ones(8, 8, 8))


def test_turned_and_mirrored_patches_are_told_apart() -> None:
    patch = torch.zeros(8, 8, 3, dtype=torch.uint8)
    patch[1:3, 2:7] = 255
    turned = [torch.rot90(image, turns) for image in (patch, patch.flip(0)) for turns in range(4)]
    frames = torch.cat(turned, dim=1)[None]
    assert_near(patch_weights(frames, 8), torch.ones(1, 1, 8))


def test_latents_of_replayed_worlds_are_held(dataset: Dataset, tmp_path: Path) -> None:
    other = swim_dataset(tmp_path / "swim")
    free = make_anchored((dataset, other), ())
    held = {worlds: make_anchored((dataset, other), worlds) for worlds in (("slide",), ("swim",), ("slide", "swim"))}
    losses = {worlds: float(loss_of(stage).detach()) for worlds, stage in held.items()}
    assert float(loss_of(free).detach()) < min(losses[("slide",)], losses[("swim",)])
    assert max(losses[("slide",)], losses[("swim",)]) < losses[("slide", "swim")]
    assert loss_of(make_anchored((dataset, other), ("slide",), weight=0.0)) == loss_of(free)
    assert "anchor_weight" in held[("slide",)].describe() and "anchor_weight" not in free.describe()


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_an_anchor_weight_out_of_range_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="anchor_weight must be at least 0 and finite"):
        AutoencoderStageConfig(anchor_weight=weight)


def test_an_anchor_does_not_move(dataset: Dataset, tmp_path: Path) -> None:
    stage = make_anchored((dataset, swim_dataset(tmp_path / "swim")), ("slide",))
    optimizer = torch.optim.Adam(stage.module.parameters(), lr=1e-2)
    strayed = []
    for iteration in range(40):
        frames = torch.from_numpy(stage.sampler.sample(iteration).observations).flatten(0, 2)
        with torch.no_grad():
            strayed.append(float(stage._strayed(frames, stage.autoencoder.encode(frames))[0]))
        optimizer.zero_grad()
        loss_of(stage, iteration).backward()
        optimizer.step()
    assert strayed[-1] < strayed[0] / 2


def test_loss_is_a_finite_scalar_with_detached_metrics(dataset: Dataset) -> None:
    loss, metrics = make_stage(dataset).loss(0, torch.Generator().manual_seed(0))
    assert loss.shape == ()
    assert bool(loss.isfinite())
    assert set(metrics) == {"psnr", "rare_patches"}
    assert not any(value.requires_grad for value in metrics.values())


def test_loss_is_a_function_of_iteration_and_generator(dataset: Dataset) -> None:
    torch.manual_seed(1)
    first = loss_of(make_stage(dataset))
    torch.manual_seed(2)
    assert torch.equal(loss_of(make_stage(dataset)), first)
    assert not torch.equal(loss_of(make_stage(dataset), iteration=1), first)
    assert not torch.equal(loss_of(make_stage(dataset), seed=1), first)


def test_gradient_reaches_every_weight(dataset: Dataset) -> None:
    stage = make_stage(dataset)
    loss_of(stage).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in stage.module.parameters())


def test_noise_on_the_latents_raises_the_loss_through_the_decoder_alone(dataset: Dataset) -> None:
    quiet = make_stage(dataset, replace(CONFIG, latent_noise=0.0))
    assert torch.equal(loss_of(quiet, seed=0), loss_of(quiet, seed=1))
    loud = make_stage(dataset, replace(CONFIG, latent_noise=5.0))
    assert loss_of(loud) > loss_of(quiet)


def test_without_rare_share_the_loss_is_the_squared_error(dataset: Dataset) -> None:
    stage = make_stage(dataset, replace(CONFIG, rare_share=0.0, latent_noise=0.0))
    frames = torch.from_numpy(stage.sampler.sample(3).observations).flatten(0, 2)
    pixels = stage.autoencoder.decode_pixels(stage.autoencoder.encode(frames))
    expected = (pixels - (frames.movedim(-1, 1) / 127.5 - 1)).pow(2).mean()
    assert_near(loss_of(stage, iteration=3), expected)


def test_a_few_dozen_iterations_lower_the_loss_tenfold(dataset: Dataset) -> None:
    stage = make_stage(dataset)
    optimizer = torch.optim.AdamW(stage.module.parameters(), lr=1e-2)
    losses = []
    for iteration in range(60):
        optimizer.zero_grad()
        loss = loss_of(stage, iteration, seed=iteration)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.1 * sum(losses[:5])


def test_export_is_read_back_bit_for_bit(dataset: Dataset, tmp_path: Path) -> None:
    stage = make_stage(dataset)
    stage.export(stage.module, tmp_path)
    weights = read_autoencoder(tmp_path).state_dict()
    assert all(torch.equal(weights[name], value) for name, value in stage.autoencoder.state_dict().items())


def test_description_is_json_and_knows_the_shape(dataset: Dataset) -> None:
    described = json.loads(json.dumps(make_stage(dataset).describe()))
    assert described["shape"]["latent_channels"] == 4
    assert described["batch_size"] == 4
