"""Gymnasium's own `play` plays the Discrete ids."""

import gymnasium as gym
import pygame
import pytest

import wm_gym  # noqa: F401  # registers the ids
from tests.play.fingers import press, release


@pytest.mark.filterwarnings("ignore:.*matplotlib.*")
def test_gymnasiums_play_steps_the_learned_world() -> None:
    from gymnasium.utils.play import play

    taken: list[int] = []

    def callback(before: object, after: object, action: int, *rest: object) -> None:
        taken.append(action)
        if len(taken) == 3:
            press(pygame.K_UP)
        if len(taken) == 6:
            release(pygame.K_UP)
        if len(taken) == 9:
            press(pygame.K_ESCAPE)

    env = gym.make("wm_gym/MiniGridDiscrete-v0", render_mode="rgb_array")
    noop = env.get_wrapper_attr("noop")
    forward = env.get_wrapper_attr("get_action_meanings")().index("move forward")
    play(env, callback=callback, noop=noop, fps=60, zoom=2, seed=0)
    assert taken[:3] == [noop] * 3
    assert taken[3:6] == [forward] * 3
    assert taken[7:9] == [noop] * 2
