"""Policies by name, as functions of a batch of observations: PPO zips, random ones, and factories of the user."""

import importlib
from pathlib import Path
from typing import Any, cast

import numpy as np

from wm_gym.evaluation.transfer_episodes import BatchPolicy

NOISE_MARK = "@"


def load_batch_policy(name: str, num_actions: int, seed: int) -> BatchPolicy:
    """Makes the policy that `TransferConfig.transfer` names.

    Args:
        name: A path that ends in ".zip", "random" or "module:factory"; "@share" behind it adds random actions.
        num_actions: Of the world.
        seed: Of all that the policy draws.

    Raises:
        ValueError: There is no such policy, or it is for other actions.
        ImportError: A zip without stable-baselines3.
    """
    rng = np.random.default_rng(seed)
    plain, mark, share = name.rpartition(NOISE_MARK)
    if mark:
        return with_noise(load_batch_policy(plain, num_actions, seed), _share(name, share), num_actions, rng)
    if name == "random":
        return lambda observations: rng.integers(num_actions, size=len(observations))
    if name.endswith(".zip"):
        return _load_zip(Path(name), num_actions, seed)
    return _load_factory(name, num_actions, rng)


def with_noise(policy: BatchPolicy, share: float, num_actions: int, rng: np.random.Generator) -> BatchPolicy:
    """The policy with a share of its actions replaced by uniform ones."""

    def act(observations: Any) -> Any:
        actions = np.asarray(policy(observations))
        random = rng.integers(num_actions, size=len(actions))
        return np.where(rng.random(len(actions)) < share, random, actions)

    return act


def _share(name: str, text: str) -> float:
    """The number behind the mark.

    Raises:
        ValueError: it is no share.
    """
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f'the share of random actions must be from 0 to 1, as in "policy.zip@0.3", got {name!r}')
    return share


def _load_zip(path: Path, num_actions: int, seed: int) -> BatchPolicy:
    """A PPO of stable-baselines3, which draws its actions.

    Raises:
        ValueError: the file is missing, is no such zip, or has other actions.
        ImportError: stable-baselines3 is missing.
    """
    try:
        import torch
        from stable_baselines3 import PPO
    except ImportError as error:
        raise ImportError(
            f'a policy zip must find stable-baselines3, got {error}; run `pip install "wm-gym[sb3]"`'
        ) from error
    if not path.is_file():
        raise ValueError(f"transfer must name a policy zip that exists, got {path}")
    try:
        model = PPO.load(path, device="cpu")
    except Exception as error:  # a broken zip raises whatever its bytes lead to
        raise ValueError(f"{path} must be a PPO that stable-baselines3 saved, got {error!r}") from error
    known = getattr(model.action_space, "n", None)
    if known != num_actions:
        raise ValueError(f"{path} must choose among the world's {num_actions} actions, got {model.action_space}")
    torch.manual_seed(seed)
    return lambda observations: model.predict(observations, deterministic=False)[0]


def _load_factory(name: str, num_actions: int, rng: np.random.Generator) -> BatchPolicy:
    """A policy of the user's.

    Raises:
        ValueError: the name has another form, or nothing of that name can be imported.
    """
    module_name, _, factory_name = name.partition(":")
    if not module_name or not factory_name:
        raise ValueError(f'transfer must name a ".zip", "random" or "module:factory", got {name!r}')
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(f"transfer must name a factory that can be imported, got {name!r} ({error})") from error
    return cast(BatchPolicy, factory(num_actions, rng))
