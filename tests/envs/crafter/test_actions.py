"""Crafter's vocabulary: enough ways to say each action, none of them said twice."""

from collections import Counter

import crafter
import pytest

from envs.actions import check_text, fold
from envs.crafter.actions import ACTIONS
from envs.crafter.moving_phrases import NONSENSE

TEXTS = [text for table in (ACTIONS.phrases, ACTIONS.unseen_phrases) for texts in table.values() for text in texts]


@pytest.mark.parametrize("name", ACTIONS.names)
def test_action_has_32_phrasings_and_6_unseen_ones(name: str) -> None:
    assert len(ACTIONS.phrases[name]) >= 32 and len(ACTIONS.unseen_phrases[name]) >= 6


def test_no_phrase_stands_twice() -> None:
    assert [text for text, count in Counter(map(fold, TEXTS)).items() if count > 1] == []


def test_every_phrase_is_a_text_that_the_env_takes() -> None:
    assert all(check_text(text) == text for text in TEXTS)


def test_names_are_canonical_and_in_crafters_order() -> None:
    names = {"noop": "wait", "do": "interact", "place_plant": "plant sapling"}
    assert ACTIONS.names == tuple(names.get(name, name.replace("_", " ")) for name in crafter.constants.actions)
    assert all(ACTIONS.phrases[name][0] == name for name in ACTIONS.names)


def test_nonsense_and_unknown_texts_idle() -> None:
    assert {ACTIONS.index(text) for text in (*NONSENSE, "frobnicate", "")} == {0}


def test_keys_say_canonical_texts() -> None:
    assert set(ACTIONS.key_map.values()) == set(ACTIONS.names)
