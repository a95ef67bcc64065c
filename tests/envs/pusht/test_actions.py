"""PushT's texts: enough of them, none in two places, each for its push."""

import string
from collections import Counter

import pytest

from envs.actions import fold
from envs.pusht.actions import ACTIONS, NUMBERS

TABLES = (ACTIONS.phrases, ACTIONS.unseen_phrases)


def test_names_are_canonical_and_have_numbers() -> None:
    assert ACTIONS.names == tuple(NUMBERS) == tuple(phrases[0] for phrases in ACTIONS.phrases.values())


@pytest.mark.parametrize("name", ACTIONS.names)
def test_each_action_has_many_phrasings(name: str) -> None:
    assert len(ACTIONS.phrases[name]) >= 32 and len(ACTIONS.unseen_phrases[name]) >= 6


def test_no_text_is_in_two_places() -> None:
    counts = Counter(fold(text) for table in TABLES for phrases in table.values() for text in phrases)
    assert not [text for text, count in counts.items() if count > 1]


@pytest.mark.parametrize("name", ACTIONS.names)
def test_every_text_means_its_action(name: str) -> None:
    assert {ACTIONS.index(text) for table in TABLES for text in table[name]} == {ACTIONS.names.index(name)}


@pytest.mark.parametrize("text", ["", "  Do   NOTHING ", "sing a song", "fold the laundry"])
def test_empty_idle_and_meaningless_texts_wait(text: str) -> None:
    assert ACTIONS.names[ACTIONS.index(text)] == "wait"


def test_texts_are_printable_and_short() -> None:
    texts = [text for table in TABLES for phrases in table.values() for text in phrases]
    assert all(len(text) <= 256 and set(text) <= set(string.printable) for text in texts)


def test_keys_reach_every_action_by_its_canonical_text() -> None:
    assert set(ACTIONS.key_map.values()) == set(ACTIONS.names)


def test_numbers_are_within_the_range_and_distinct() -> None:
    assert len(set(NUMBERS.values())) == len(NUMBERS)
    assert all(ACTIONS.controls(numbers).tolist() == list(numbers) for numbers in NUMBERS.values())
