"""The real twin of a world, where a checkout and the simulator are here."""

import json

import gymnasium as gym

from wm_gym.play.stage import Env
from wm_gym.worlds import WORLDS


def make_twin(world: str, twin: str | None, arguments: str) -> Env:
    """Make the twin of a world, on starts that no training saw, without a time limit.

    Args:
        world: the world's name.
        twin: an id for gym.make; None takes the world's own.
        arguments: more arguments for gym.make, a JSON object.

    Raises:
        ValueError: the world has no twin of its own, or the arguments are not the twin's.
        ImportError: there is no checkout here.
        gymnasium.error.Error: there is no such id, or the simulator is missing.
    """
    if twin is None and world not in WORLDS:
        raise ValueError(f"world must have a real twin, got {world!r}; name one with --twin")
    try:
        options = json.loads(arguments)
        return gym.make(
            twin or WORLDS[world].twin,
            **{"split": "test", **options},
            max_episode_steps=-1,
            disable_env_checker=True,
        )
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"twin_arguments must be a JSON object of arguments that the twin takes, got {arguments!r} ({error})"
        ) from error
    except ModuleNotFoundError as error:
        raise ImportError(f"{world} has no real twin here ({error}); run in a checkout, which has envs/") from error
