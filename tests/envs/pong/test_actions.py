"""The vocabulary of Pong: enough phrasings, and none that means two things."""

import pytest

from envs.actions import MAX_TEXT_LENGTH, fold
from envs.pong.actions import ACTIONS, NONSENSE


def test_names_are_the_canonical_texts() -> None:
    assert ACTIONS.names == ("move up", "move down", "wait")


@pytest.mark.parametrize("name", ACTIONS.names)
def test_each_phrasing_means_its_action(name: str) -> None:
    texts = ACTIONS.phrases[name] + ACTIONS.unseen_phrases[name]
    assert {ACTIONS.index(text) for text in texts} == {ACTIONS.names.index(name)}


@pytest.mark.parametrize("name", ACTIONS.names)
def test_first_phrasing_is_the_canonical_one(name: str) -> None:
    assert ACTIONS.phrases[name][0] == name


@pytest.mark.parametrize("name", ACTIONS.names)
def test_each_action_has_enough_phrasings(name: str) -> None:
    meaningful = set(ACTIONS.phrases[name]) - set(NONSENSE)
    assert len(meaningful) >= 32 and len(ACTIONS.unseen_phrases[name]) >= 6


def test_no_phrasing_comes_twice() -> None:
    tables = (ACTIONS.phrases, ACTIONS.unseen_phrases)
    texts = [fold(text) for table in tables for texts in table.values() for text in texts]
    assert len(texts) == len(set(texts))


def test_phrasings_are_printable_ascii() -> None:
    texts = [text for table in (ACTIONS.phrases, ACTIONS.unseen_phrases) for texts in table.values() for text in texts]
    assert all(text.isascii() and len(text) <= MAX_TEXT_LENGTH and text.isprintable() for text in texts)


@pytest.mark.parametrize("text", ["", "dance", *NONSENSE])
def test_empty_and_meaningless_text_waits(text: str) -> None:
    assert ACTIONS.index(text) == ACTIONS.names.index("wait")


def test_keys_stand_for_canonical_texts() -> None:
    assert sorted(ACTIONS.key_map.values()) == sorted(ACTIONS.names)
