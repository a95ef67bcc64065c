"""The vocabularies of the Doom worlds: enough phrasings, each of one meaning, all within the rules."""

import string

import pytest

from envs.actions import WorldActions, fold
from envs.doom import my_way_home_actions as doom_my_way_home_actions
from envs.doom import take_cover_actions as doom_take_cover_actions

VOCABULARIES = [doom_take_cover_actions.ACTIONS, doom_my_way_home_actions.ACTIONS]


@pytest.fixture(params=VOCABULARIES, ids=["take_cover", "my_way_home"])
def actions(request: pytest.FixtureRequest) -> WorldActions:
    vocabulary: WorldActions = request.param
    return vocabulary


def test_every_action_has_32_phrasings_and_6_unseen(actions: WorldActions) -> None:
    assert all(len(actions.phrases[name]) >= 32 and len(actions.unseen_phrases[name]) >= 6 for name in actions.names)


def test_no_phrasing_comes_twice(actions: WorldActions) -> None:
    tables = [*actions.phrases.values(), *actions.unseen_phrases.values()]
    texts = [fold(text) for table in tables for text in table]
    assert len(texts) == len(set(texts))


def test_phrasings_are_printable_and_short(actions: WorldActions) -> None:
    texts = [text for table in [*actions.phrases.values(), *actions.unseen_phrases.values()] for text in table]
    assert all(len(text) <= 256 and set(text) <= set(string.printable) for text in texts)


def test_first_phrasing_is_the_name(actions: WorldActions) -> None:
    assert [phrases[0] for phrases in actions.phrases.values()] == list(actions.names)


def test_phrasings_say_left_as_often_as_right(actions: WorldActions) -> None:
    for table in (actions.phrases, actions.unseen_phrases):
        left, right = (next(table[name] for name in table if name.endswith(side)) for side in ("left", "right"))
        swapped = [text.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right") for text in left]
        pairs = zip(swapped, right, strict=True)
        assert all(mirrored == text for mirrored, text in pairs if "clockwise" not in text)


@pytest.mark.parametrize("text", ["", "wait", "sing a song", "what is your favorite color?", "quux"])
def test_nothing_and_nonsense_wait(actions: WorldActions, text: str) -> None:
    assert actions.names[actions.index(text)] == actions.idle == "wait"


def test_keys_say_known_texts(actions: WorldActions) -> None:
    assert set(actions.key_map.values()) == set(actions.names)
