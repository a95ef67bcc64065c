"""CarRacing's texts: enough of them, none in two places, and no left or right in what recordings say."""

import re
import string
from collections import Counter

import numpy as np
import pytest

from envs.actions import fold
from envs.carracing.actions import ACTIONS, CONTROLS

NAMES = ACTIONS.names
TURNS = tuple(name for name in NAMES if "clockwise" in name)
TABLES = (ACTIONS.phrases, ACTIONS.unseen_phrases, ACTIONS.transfer_phrases)


def test_names_are_canonical_and_follow_the_controls() -> None:
    assert tuple(CONTROLS) == NAMES == tuple(phrases[0] for phrases in ACTIONS.phrases.values())


@pytest.mark.parametrize("name", NAMES)
def test_each_action_has_many_phrasings(name: str) -> None:
    assert len(ACTIONS.phrases[name]) >= 32 and len(ACTIONS.unseen_phrases[name]) >= 6


@pytest.mark.parametrize("name", TURNS)
def test_each_turn_has_transfer_phrases_that_say_its_side(name: str) -> None:
    side, other = ("left", "right") if "counter" in name else ("right", "left")
    phrases = ACTIONS.transfer_phrases[name]
    assert len(phrases) >= 12 and all(side in text.split() and other not in text for text in phrases)


def test_only_turns_have_transfer_phrases() -> None:
    assert set(ACTIONS.transfer_phrases) == set(TURNS) and len(TURNS) == 4


def test_recordings_and_unseen_texts_never_say_left_or_right() -> None:
    texts = [text for table in TABLES[:2] for phrases in table.values() for text in phrases]
    assert not [text for text in texts if re.search("left|right", text.lower())]


def test_no_text_is_in_two_places() -> None:
    counts = Counter(fold(text) for table in TABLES for phrases in table.values() for text in phrases)
    assert not [text for text, count in counts.items() if count > 1]


@pytest.mark.parametrize("name", NAMES)
def test_every_text_means_its_action(name: str) -> None:
    texts = [text for table in TABLES for text in table.get(name, ())]
    assert {ACTIONS.index(text) for text in texts} == {NAMES.index(name)}


def test_texts_are_printable_and_short() -> None:
    texts = [text for table in TABLES for phrases in table.values() for text in phrases]
    assert all(len(text) <= 256 and set(text) <= set(string.printable) for text in texts)


def test_keys_stand_for_canonical_texts() -> None:
    assert sorted(ACTIONS.key_map.values()) == sorted(NAMES)


def test_controls_are_in_range() -> None:
    for numbers in CONTROLS.values():
        np.testing.assert_array_equal(ACTIONS.controls(numbers), np.array(numbers, np.float32))


@pytest.mark.parametrize("text", ["", "sing a song", "who wrote Hamlet", "dance"])
def test_texts_without_a_meaning_wait(text: str) -> None:
    assert NAMES[ACTIONS.index(text)] == "wait"
