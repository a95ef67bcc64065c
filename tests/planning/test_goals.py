"""Goals and critics."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from tests.worlds import draw, tiny_world_model
from wm_gym.planning import Critic, ImageGoal, RewardGoal, TextGoal, VisionLanguageCritic
from wm_gym.world_model import WorldModel

WORDS = "[UNK] <image> yes no Does this picture show the following ? Answer with or . is tile red left".split()
TEMPLATE = (
    "{% for m in messages %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image> {% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    return tiny_world_model(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def critic() -> VisionLanguageCritic:
    """LLaVA's own classes, tiny and untrained."""
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[UNK]")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, do_center_crop=True
        ),
        tokenizer=tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
        image_token="<image>",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = LlavaConfig(
            vision_config=CLIPVisionConfig(
                hidden_size=32,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=32,
                patch_size=16,
            ),
            text_config=LlamaConfig(
                vocab_size=len(WORDS),
                hidden_size=32,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
            ),
            image_token_index=1,
        )
        return VisionLanguageCritic(LlavaForConditionalGeneration(config).eval(), processor)


def test_critic_gives_a_probability_a_picture(critic: VisionLanguageCritic) -> None:
    assert isinstance(critic, Critic)
    scores = critic(np.stack([draw((0, 0)), draw((3, 0)), draw((0, 0))]), "the tile is left")
    assert scores.shape == (3,) and scores.dtype == np.float32
    assert ((scores > 0) & (scores < 1)).all()
    assert scores[0] == scores[2] != scores[1]


def test_critic_reads_the_text(critic: VisionLanguageCritic) -> None:
    frames = draw((0, 0))[None]
    assert critic(frames, "the tile is left") != critic(frames, "the tile is red")


def test_critic_is_no_against_yes(critic: VisionLanguageCritic) -> None:
    turned: Any = VisionLanguageCritic(critic._model, critic._processor)
    turned._answers.reverse()
    frames = draw((0, 0))[None]
    np.testing.assert_allclose(critic(frames, "red") + turned(frames, "red"), 1.0, atol=1e-6)


def test_question_without_a_place_for_the_text_is_refused(critic: VisionLanguageCritic) -> None:
    with pytest.raises(ValueError, match="question must say"):
        VisionLanguageCritic(critic._model, critic._processor, question="Is it there?")


def test_reward_goal_is_the_head(model: WorldModel) -> None:
    state, output = model.step(model.reset(model.starts["slide"][:2], seeds=[0, 1]), ["go left", "wait"])
    assert torch.equal(RewardGoal().rewards(output), output.reward)
    assert RewardGoal().values(state).tolist() == [0, 0]


def test_image_goal_is_one_at_the_image_alone(model: WorldModel) -> None:
    images = np.stack([draw((0, 0)), draw((1, 0)), draw((2, 2))])
    goal = ImageGoal.of(model, images[0])
    values = goal.values(model.reset(images[:, None], seeds=[0, 1, 2]))
    assert values[0] == 1
    assert ((values[1:] > 0) & (values[1:] < 1)).all()


@pytest.mark.parametrize("scores", [[float("nan")] * 3, [0.5], 0.5])
def test_critic_that_does_not_score_every_picture_is_refused(model: WorldModel, scores: Any) -> None:
    goal = TextGoal(text="the tile is left", critic=lambda frames, text: scores)
    with pytest.raises(ValueError, match="critic must return 3 finite scores, one a picture, got"):
        goal.values(model.reset(np.stack([draw((0, 0))] * 3)[:, None], seeds=[0, 1, 2]))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf")])
def test_image_goal_of_no_scale_is_refused(model: WorldModel, scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be positive and finite"):
        ImageGoal.of(model, draw((0, 0)), scale=scale)


def test_image_of_another_size_is_refused(model: WorldModel) -> None:
    with pytest.raises(ValueError, match="frames must be uint8 in 0..255 of shape"):
        ImageGoal.of(model, np.zeros((8, 8, 3), np.uint8))


def test_text_goal_asks_the_critic_about_the_last_frames(model: WorldModel) -> None:
    asked: list[Any] = []

    def critic(frames: np.ndarray, text: str) -> np.ndarray:
        asked.append((frames, text))
        return np.asarray([0.25, 0.75], np.float32)

    state = model.reset(model.starts["slide"][:2], seeds=[0, 1])
    assert TextGoal(text="left", critic=critic).values(state).tolist() == [0.25, 0.75]
    np.testing.assert_array_equal(asked[0][0], state.frames[:, -1].numpy())
    assert asked[0][1] == "left"


def test_empty_text_goal_is_refused() -> None:
    with pytest.raises(ValueError, match="text must say what shall hold"):
        TextGoal(text=" ", critic=lambda frames, text: np.zeros(len(frames), np.float32))


def test_critic_loads_from_a_folder(critic: VisionLanguageCritic, tmp_path: Path) -> None:
    critic._model.save_pretrained(tmp_path)
    critic._processor.save_pretrained(tmp_path)
    again = VisionLanguageCritic.from_pretrained(str(tmp_path))
    frames = draw((0, 0))[None]
    np.testing.assert_allclose(again(frames, "red"), critic(frames, "red"), atol=1e-6)
