"""Texts to actions: phrasings, and errors for texts outside the action space."""

import string

import pytest
from minigrid.core.actions import Actions

from envs.minigrid_actions import ACTION_PHRASES, KEY_MAP, action_index


def test_names_follow_the_simulators_order() -> None:
    expected = [
        Actions.left,
        Actions.right,
        Actions.forward,
        Actions.pickup,
        Actions.drop,
        Actions.toggle,
        Actions.done,
    ]
    assert [action_index(name) for name in ACTION_PHRASES] == expected


@pytest.mark.parametrize("name", list(ACTION_PHRASES))
def test_each_phrasing_means_its_action(name: str) -> None:
    assert {action_index(phrase) for phrase in ACTION_PHRASES[name]} == {list(ACTION_PHRASES).index(name)}


@pytest.mark.parametrize("name", list(ACTION_PHRASES))
def test_first_phrasing_is_the_canonical_one(name: str) -> None:
    assert ACTION_PHRASES[name][0] == name


def test_each_action_has_six_to_eight_phrasings() -> None:
    assert all(6 <= len(set(phrases)) <= 8 for phrases in ACTION_PHRASES.values())


def test_no_phrasing_belongs_to_two_actions() -> None:
    phrases = [phrase for phrases in ACTION_PHRASES.values() for phrase in phrases]
    assert len(phrases) == len(set(phrases))


def test_keys_stand_for_canonical_texts() -> None:
    assert sorted(KEY_MAP.values()) == sorted(ACTION_PHRASES)


@pytest.mark.parametrize("text", ["", "dance", string.printable])
def test_empty_and_unknown_text_waits(text: str) -> None:
    assert action_index(text) == Actions.done


def test_case_and_spaces_do_not_matter() -> None:
    assert action_index("  Turn\tLEFT ") == Actions.left


@pytest.mark.parametrize("value", [3, None, b"wait", ["wait"]])
def test_other_than_a_string_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="action must be a string, got .*; pass a text such as 'turn left'"):
        action_index(value)  # type: ignore[arg-type]


def test_256_characters_are_allowed() -> None:
    assert action_index("x" * 256) == Actions.done


def test_longer_text_is_refused() -> None:
    with pytest.raises(ValueError, match=r"action must have at most 256 characters, got 257 .*; shorten it"):
        action_index("x" * 257)


@pytest.mark.parametrize("text", ["nach links \u2190", "turn\x00left", "gauche \u00e0"])
def test_unprintable_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"action must have characters of string\.printable only, got .*; replace"):
        action_index(text)
