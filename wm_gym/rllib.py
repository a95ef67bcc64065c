"""Dreams for RLlib: its env runners step one native batch of worlds each.

    register_ids()
    config = PPOConfig().environment("wm_gym/MiniGridDiscrete-v0", env_config={"max_episode_steps": 64}).env_runners(
        num_envs_per_env_runner=32, gym_env_vectorize_mode="vector_entry_point"
    )

RLlib's networks take floats and scale no pictures, so pictures come as float32 in [0, 1], as from its own wrappers of
Atari. Without `gym_env_vectorize_mode` a runner steps as many single worlds in turn, each with a model call of its own.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import DependencyNotInstalled
from gymnasium.wrappers import TransformObservation
from gymnasium.wrappers.vector import TransformObservation as TransformObservations
from jaxtyping import Float32, UInt8

try:
    from ray.tune import register_env
except ImportError as error:
    raise DependencyNotInstalled(
        f'wm_gym.rllib must find the package ray with RLlib, got {error}; run `pip install "wm-gym[rllib]"`'
    ) from error

_NAMESPACE = "wm_gym"


def register_ids() -> None:
    """Makes RLlib know the ids of this package, in every process of the Ray cluster; twice is fine.

    `env_config` then holds what `gym.make` takes: `checkpoint`, `world`, `max_episode_steps`, `temperature`, `device`.
    The env of an id whose actions are texts, which RLlib has no space for, is refused when it is made.
    """
    for id in [id for id, spec in gym.registry.items() if spec.namespace == _NAMESPACE]:
        register_env(id, partial(make_env, id))


def make_env(id: str, env_config: Mapping[str, Any]) -> gym.Env[Any, Any] | gym.vector.VectorEnv[Any, Any, Any]:
    """Makes what an env runner steps.

    Args:
        id: of this package, with numbered or numeric actions.
        env_config: arguments of `gym.make`; with `num_envs`, which RLlib adds, those of `gym.make_vec`.

    Returns:
        One world, or a native batch of `num_envs` worlds, with pictures as float32 in [0, 1].

    Raises:
        ValueError: the actions are texts, or what `gym.make` refuses.
    """
    arguments = dict(env_config)
    num_envs = arguments.pop("num_envs", None)
    plain_id = f"{_NAMESPACE}:{id}"  # a runner's process has not imported this package yet
    if num_envs is None:
        env = gym.make(plain_id, disable_env_checker=True, **arguments)
        _check_actions(id, env.action_space)
        return TransformObservation(env, _as_floats, _float_space(env.observation_space))
    envs = gym.make_vec(plain_id, num_envs, **arguments)
    _check_actions(id, envs.single_action_space)
    single = _float_space(envs.single_observation_space)
    return TransformObservations(envs, _as_floats, _float_space(envs.observation_space), single)


def _check_actions(id: str, space: gym.Space[Any]) -> None:
    """Refuse texts.

    Raises:
        ValueError: the actions are texts.
    """
    if isinstance(space, gym.spaces.Text):
        name = id.replace("-v", "Discrete-v")
        raise ValueError(f"actions must be numbers for RLlib, got texts in {id}; choose {name}")


def _as_floats(frames: UInt8[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    return frames.astype(np.float32) / 255


def _float_space(space: gym.Space[Any]) -> gym.spaces.Box:
    assert space.shape is not None, "pictures have a shape"
    return gym.spaces.Box(0.0, 1.0, space.shape, np.float32)
