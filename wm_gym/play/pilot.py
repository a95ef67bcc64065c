"""Policies that play: a stable-baselines3 zip that sees the dream, or any "module:factory" of the house."""

import importlib
import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np

from wm_gym.evaluation.rollouts import load_policy
from wm_gym.numbered_texts import NumberedTexts

Env: TypeAlias = gym.Env[Any, Any]
Policy: TypeAlias = Callable[[Any], Any]  # a chunk -> a text, or numbers

_ALGORITHMS = {"clip_range": "PPO", "exploration_fraction": "DQN", "gae_lambda": "A2C"}  # what only its zip says


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """A policy that can start anywhere.

    Attributes:
        name: what a player calls it.
        factory: makes it afresh for an env as it stands, and a generator.
        needs_twin: whether it wants the twin where there is one: scripted experts read the simulator.
    """

    name: str
    factory: Callable[[Env, np.random.Generator], Policy]
    needs_twin: bool


def load_pilot(name: str, env: Env) -> Pilot:
    """Load a policy: a zip of stable-baselines3 for the world's Discrete id, or "module:factory" of (env, rng).

    A zip holds pickles: load only your own. A factory is given the twin where there is one; one with an attribute
    `needs_twin` that is False is given the dream.

    Args:
        name: the zip's path, or the factory's name.
        env: the world that a zip must fit.

    Raises:
        ValueError: there is no such policy, it is none, or it does not fit the world.
        gymnasium.error.DependencyNotInstalled: stable-baselines3 is missing.
    """
    if not name.endswith(".zip"):
        factory = load_policy(name)
        return Pilot(name=name.partition(":")[2], factory=factory, needs_twin=getattr(factory, "needs_twin", True))
    policy = _numbered_policy(_load_zip(Path(name)), env)
    return Pilot(name=Path(name).stem, factory=lambda env, rng: policy, needs_twin=False)


def _load_zip(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as file:
            keys = json.loads(file.read("data")).keys()
    except (OSError, KeyError, ValueError, AttributeError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise ValueError(f"policy must be a zip that stable-baselines3 saved, got {path} ({error})") from error
    algorithm = next((name for key, name in _ALGORITHMS.items() if key in keys), None)
    if algorithm is None:
        known = ", ".join(_ALGORITHMS.values())
        raise ValueError(f"policy must be one of {known}, got {path}; write a factory and pass 'module:factory'")
    try:
        library = importlib.import_module("stable_baselines3")
    except ImportError as error:
        raise gym.error.DependencyNotInstalled(
            'a zip policy needs stable-baselines3; run: pip install "wm-gym[sb3]"'
        ) from error
    try:
        return getattr(library, algorithm).load(path, device="cpu")
    except Exception as error:  # pickles of another day raise anything
        raise ValueError(f"policy must be a zip that loads here, got {path} ({error!r}); save it again") from error


def _numbered_policy(model: Any, env: Env) -> Policy:
    """The model as a map from chunks to texts.

    Raises:
        ValueError: it was trained on other actions or observations.
    """
    texts = NumberedTexts(tuple(env.get_wrapper_attr("get_action_meanings")()))
    if model.action_space != texts.space:
        raise ValueError(
            f"policy must act in the {texts.space} of the world's Discrete id, got one for {model.action_space}"
        )

    def act(chunk: Any) -> str:
        number, _ = model.predict(np.asarray(chunk)[-1], deterministic=True)
        return texts.text(int(number))

    shape = env.observation_space.shape or ()
    try:
        act(np.zeros(shape, np.uint8))
    except ValueError as error:
        raise ValueError(
            f"policy must see the frames of the world's Discrete id, {shape[1:]}, got one for "
            f"{model.observation_space} ({error})"
        ) from error
    return act
