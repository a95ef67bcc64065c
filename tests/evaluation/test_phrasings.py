"""The texts that action following is measured with."""

from typing import Any

import gymnasium as gym
import pytest

from wm_gym.evaluation.phrasings import NONSENSE, Phrasings, draw_texts
from wm_gym.evaluation.speech import fold
from wm_gym.evaluation.twin import Env, make_twin
from wm_gym.world_card import WorldCard
from wm_gym.worlds import WORLDS


def card(**phrases: tuple[str, ...]) -> WorldCard:
    """A checkpoint's, trained on these texts."""
    return WorldCard(render_fps=5, action_phrases=phrases, key_map={}, reward_range=(0.0, 1.0))


def test_trained_texts_are_the_cards(twin_env: Env) -> None:
    assert Phrasings.of(twin_env, card(wait=("wait",))).trained == {"wait": ("wait",)}


def test_unseen_texts_are_the_twins(twin_env: Env) -> None:
    unseen = twin_env.unwrapped.unseen_phrases  # type: ignore[attr-defined]
    assert Phrasings.of(twin_env, card(wait=("wait",))).unseen == unseen


def test_text_that_the_card_has_is_not_unseen(twin_env: Env) -> None:
    unseen = twin_env.unwrapped.unseen_phrases  # type: ignore[attr-defined]
    known = unseen["turn left"][0]
    found = Phrasings.of(twin_env, card(wait=("wait", known.upper(), NONSENSE[3])))
    assert found.unseen["turn left"] == unseen["turn left"][1:]
    assert found.nonsense == NONSENSE[:3] + NONSENSE[4:]


def test_texts_are_drawn_for_each_name() -> None:
    phrases = {"a": ("a1", "a2"), "b": ("b1",)}
    texts = draw_texts(phrases, ["a", "b"] * 20, seed=0)
    assert set(texts[::2]) == {"a1", "a2"} and set(texts[1::2]) == {"b1"}
    assert texts == draw_texts(phrases, ["a", "b"] * 20, seed=0) != draw_texts(phrases, ["a", "b"] * 20, seed=1)


@pytest.mark.parametrize("world", WORLDS)
def test_no_world_says_the_nonsense(world: str) -> None:
    try:
        env: Any = make_twin(WORLDS[world].twin, split="test").unwrapped
    except gym.error.DependencyNotInstalled as error:
        pytest.skip(str(error))
    tables = (env.action_phrases, env.unseen_phrases, env.transfer_phrases)
    said = {fold(text) for table in tables for texts in table.values() for text in texts}
    env.close()
    assert not said & {fold(text) for text in NONSENSE}
