"""CoinRun's vocabulary: enough phrasings, none twice, all of them understood."""

import string
from collections import Counter

import pytest

from envs.actions import fold
from envs.coinrun.actions import ACTIONS, PROCGEN_ACTIONS
from envs.coinrun.running_phrases import NONSENSE

TABLES = (ACTIONS.phrases, ACTIONS.unseen_phrases, ACTIONS.transfer_phrases)


@pytest.mark.parametrize("name", ACTIONS.names)
def test_every_action_has_32_phrasings_and_6_unseen(name: str) -> None:
    assert len([text for text in ACTIONS.phrases[name] if text not in NONSENSE]) >= 32
    assert len(ACTIONS.unseen_phrases[name]) >= 6


@pytest.mark.parametrize("name", ACTIONS.names)
def test_canonical_phrase_is_the_name(name: str) -> None:
    assert ACTIONS.phrases[name][0] == name


def test_no_phrase_stands_in_two_places() -> None:
    counts = Counter(fold(text) for table in TABLES for texts in table.values() for text in texts)
    assert [text for text, count in counts.items() if count > 1] == []


def test_phrases_are_short_printable_text() -> None:
    texts = [text for table in TABLES for texts in table.values() for text in texts]
    assert all(len(text) <= 256 and text.isascii() and set(text) <= set(string.printable) for text in texts)


def test_every_phrase_means_its_action() -> None:
    for table in TABLES:
        for name, texts in table.items():
            assert {ACTIONS.names[ACTIONS.index(text)] for text in texts} == {name}


def test_left_and_right_are_said_alike() -> None:
    def swap(text: str) -> str:
        return " ".join({"left": "right", "leftward": "rightward"}.get(word, word) for word in text.split())

    for verb in ("run", "jump"):
        mirrored = {swap(text) for text in ACTIONS.phrases[f"{verb} left"]}
        assert len(mirrored & set(ACTIONS.phrases[f"{verb} right"])) >= 24


def test_text_without_meaning_waits() -> None:
    assert ACTIONS.names[ACTIONS.index("fly to the moon and back")] == "wait"


def test_keys_speak_known_canonical_texts() -> None:
    assert set(ACTIONS.key_map.values()) == set(ACTIONS.names)


def test_actions_are_different_ones_of_procgen() -> None:
    assert tuple(PROCGEN_ACTIONS) == ACTIONS.names and len(set(PROCGEN_ACTIONS.values())) == len(ACTIONS.names)
