"""What a dream is told."""

import numpy as np
import pytest

from wm_gym.evaluation.speech import Speech, label
from wm_gym.evaluation.twin import Env
from wm_gym.world_card import WorldCard

LEFT, WAIT = ("turn left", "rotate left"), ("wait", "")


def card(low: tuple[float, ...] = (), high: tuple[float, ...] = ()) -> WorldCard:
    """A checkpoint's, which knows two phrasings of two actions."""
    return WorldCard(
        render_fps=5,
        action_phrases={"turn left": LEFT, "wait": WAIT},
        key_map={},
        reward_range=(0.0, 1.0),
        control_low=low,
        control_high=high,
    )


def test_known_text_stays(twin_env: Env) -> None:
    assert Speech(twin_env, card()).translate(["rotate left", "", "turn left"], seed=0) == (
        "rotate left",
        "",
        "turn left",
    )


def test_other_phrasing_becomes_one_of_the_card(twin_env: Env) -> None:
    assert "please turn left" in twin_env.unwrapped.action_phrases["turn left"]  # type: ignore[attr-defined]
    told = Speech(twin_env, card()).translate(["Please  turn left"] * 30, seed=0)
    assert set(told) == set(LEFT)


def test_same_seed_draws_the_same_phrasings(twin_env: Env) -> None:
    speech = Speech(twin_env, card())
    told = [speech.translate(["please turn left"] * 30, seed=seed) for seed in (4, 4, 5)]
    assert told[0] == told[1] != told[2]


def test_text_that_nobody_knows_stays(twin_env: Env) -> None:
    assert Speech(twin_env, card()).translate(["fly away"], seed=0) == ("fly away",)


def test_action_that_the_card_lacks_stays(twin_env: Env) -> None:
    assert Speech(twin_env, card()).translate(["pick up"], seed=0) == ("pick up",)


def test_numbers_are_scaled(twin_env: Env) -> None:
    speech = Speech(twin_env, card(low=(-1.0, 0.0), high=(1.0, 2.0)))
    (told,) = speech.translate([np.array([0.5, 0.5], np.float32)], seed=0)
    assert np.asarray(told).tolist() == [0.5, -0.5]
    assert label(told) == "numbers"


def test_numbers_need_a_world_with_numbers(twin_env: Env) -> None:
    with pytest.raises(ValueError, match="action must be a text, got array"):
        Speech(twin_env, card()).translate([np.zeros(2, np.float32)], seed=0)
