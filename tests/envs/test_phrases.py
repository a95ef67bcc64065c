"""Phrases by world: enough of them to train on, and unseen ones that no recording of any world says."""

import hashlib
import json

import pytest

from envs.actions import WorldActions, fold
from envs.carracing.actions import ACTIONS as CARRACING
from envs.coinrun.actions import ACTIONS as COINRUN
from envs.crafter.actions import ACTIONS as CRAFTER
from envs.doom.my_way_home_actions import ACTIONS as DOOM_MY_WAY_HOME
from envs.doom.take_cover_actions import ACTIONS as DOOM_TAKE_COVER
from envs.minigrid.actions import ACTIONS as MINIGRID
from envs.pong.actions import ACTIONS as PONG
from envs.pusht.actions import ACTIONS as PUSHT
from wm_gym.worlds import WORLDS

ACTIONS = {
    "minigrid": MINIGRID,
    "coinrun": COINRUN,
    "doom_take_cover": DOOM_TAKE_COVER,
    "doom_my_way_home": DOOM_MY_WAY_HOME,
    "pusht": PUSHT,
    "carracing": CARRACING,
    "crafter": CRAFTER,
    "pong": PONG,
}

FROZEN = {  # SHA-256 of each world's unseen phrases, taken before the first training
    "minigrid": "6c5db1963ff723baa765095e53681019ace733267a5d7db3c60af88319825c21",
    "coinrun": "c48e10be5725a96131f938c2576caaf68b6efb8118e0f30570ad4d13aabb1c4d",
    "doom_take_cover": "23da024e100a82d452c19aa85fcf2230fdd893b2cec9d45ee46b282b47d50f70",
    "doom_my_way_home": "0c5bc65666289c851ae35d345b98b83686f6e2b136383e7847e071b0676d6a40",
    "pusht": "509e6dca610168878ac6c554b1ccab8acf62391aa78b873a4f28a140f177006d",
    "carracing": "34e5bdcbafddbe92c6a2be1d8cd7fd94acf2fd28161a987496963b6fe6506e01",
    "crafter": "350fb1c999522ccaf5190876417cab2d2e474a7b80f4ca20f93c2938780063bb",
    "pong": "4395fd7cdab5ad9f926b22a45fb4cf5cd22fa2834a2aeedd3b1cfdf6fb7ee989",
}


def texts(phrases: WorldActions, kind: str) -> list[str]:
    return [fold(text) for options in getattr(phrases, kind).values() for text in options]


SAID = {text for actions in ACTIONS.values() for text in texts(actions, "phrases")}


def test_every_known_world_has_a_vocabulary() -> None:
    assert ACTIONS.keys() == WORLDS.keys()


@pytest.mark.parametrize("world", ACTIONS)
def test_every_action_has_30_phrasings_and_5_unseen_ones(world: str) -> None:
    actions = ACTIONS[world]
    assert min(map(len, actions.phrases.values())) >= 30
    assert actions.unseen_phrases.keys() == actions.phrases.keys()
    assert min(map(len, actions.unseen_phrases.values())) >= 5


@pytest.mark.parametrize("world", ACTIONS)
def test_no_phrase_stands_twice_in_a_world(world: str) -> None:
    actions = ACTIONS[world]
    every = [text for kind in ("phrases", "unseen_phrases", "transfer_phrases") for text in texts(actions, kind)]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("world", ACTIONS)
def test_unseen_phrases_are_said_in_no_recording_of_any_world(world: str) -> None:
    assert SAID.isdisjoint(texts(ACTIONS[world], "unseen_phrases"))


@pytest.mark.parametrize("world", ACTIONS)
def test_unseen_phrases_are_those_of_before_the_training(world: str) -> None:
    unseen = {name: list(options) for name, options in ACTIONS[world].unseen_phrases.items()}
    assert hashlib.sha256(json.dumps(unseen, sort_keys=True).encode()).hexdigest() == FROZEN[world]


def test_words_that_must_carry_over_are_said_in_other_worlds_alone() -> None:
    left_out = [text for text in texts(CARRACING, "transfer_phrases") if {"left", "right"} & set(text.split())]
    assert len(left_out) >= 24
    assert not any({"left", "right"} & set(text.split()) for text in texts(CARRACING, "phrases"))
    others = {word for text in SAID for word in text.split()}
    assert {"left", "right"} <= others
