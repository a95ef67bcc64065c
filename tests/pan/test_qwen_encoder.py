"""The encoder feeds Qwen's vision tower what Qwen's own processor would."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from tests.pan.tiny_parts import STATE_WIDTH, tiny_qwen
from tests.tolerances import assert_near
from wm_gym.pan.qwen_encoder import QwenEncoder


def encoder(num_frames: int = 2, frame_size: tuple[int, int] = (56, 84)) -> QwenEncoder:
    return QwenEncoder(tiny_qwen().model.visual, num_frames, frame_size)


def random_frames(batch: int, frames: int, size: tuple[int, int] = (56, 84)) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, frames, *size, 3), generator=generator, dtype=torch.uint8)


def test_patches_are_those_of_qwens_processor() -> None:
    """The processor shows one picture as a pair of equal frames."""
    picture = random_frames(1, 1)
    processor = Qwen2VLImageProcessorPil(do_resize=False)
    image = Image.fromarray(picture[0, 0].numpy())
    expected = processor(images=[image], do_resize=False, return_tensors="np")
    assert expected["image_grid_thw"].tolist() == [[1, 4, 6]]
    ours = encoder().patches(picture.expand(-1, 2, -1, -1, -1))[0]
    assert_near(ours, torch.from_numpy(np.asarray(expected["pixel_values"], np.float32)))


@torch.no_grad()
def test_tokens_are_those_of_the_model() -> None:
    qwen, frames = tiny_qwen(), random_frames(2, 4)
    ours = QwenEncoder(qwen.model.visual, 4, (56, 84))
    grid = torch.tensor([[2, 4, 6]] * 2)
    expected = qwen.model.get_video_features(ours.patches(frames).flatten(0, 1), grid).pooler_output
    tokens = ours(frames)
    assert tokens.shape == (2, ours.num_tokens, STATE_WIDTH) == (2, 2 * 2 * 3, STATE_WIDTH)
    assert tokens.std() > 0.01
    assert_near(tokens, torch.stack(list(expected)))


def test_a_world_does_not_see_its_neighbours() -> None:
    model, frames = encoder(), random_frames(2, 2)
    assert_near(model(frames[1:]), model(frames)[1:])


def test_frames_are_chosen_evenly_and_end_with_the_last() -> None:
    model, frames = encoder(), random_frames(1, 12)
    assert torch.equal(model.patches(frames), model.patches(frames[:, [5, 11]]))


def test_other_sizes_are_resized_to_whole_patches() -> None:
    model = encoder(frame_size=(480, 832))
    assert model.grid == (1, 17, 30)
    assert model.patches(random_frames(1, 2, (480, 832))).shape == (1, 4 * 17 * 30, 3 * 2 * 14 * 14)


def test_an_odd_number_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="observed_frames must be a multiple of 2, got 3"):
        encoder(num_frames=3)
