"""The policies that do not look."""

import numpy as np

from policies.random import STICKINESS, sticky, uniform

WORLDS = np.zeros((4000, 8, 8, 3), np.uint8)


def test_uniform_takes_every_action_alike() -> None:
    counts = np.bincount(uniform(4, np.random.default_rng(0))(WORLDS), minlength=4)
    assert np.abs(counts / 4000 - 0.25).max() < 0.03


def test_sticky_repeats_its_last_action() -> None:
    policy = sticky(4, np.random.default_rng(0))
    first, second = policy(WORLDS), policy(WORLDS)
    assert abs((first == second).mean() - (STICKINESS + (1 - STICKINESS) / 4)) < 0.03


def test_sticky_begins_anew_where_worlds_have_ended() -> None:
    policy = sticky(4, np.random.default_rng(0))
    policy(WORLDS)
    assert policy(WORLDS[:7]).shape == (7,)
