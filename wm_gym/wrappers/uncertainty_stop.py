"""An end where the model no longer knows: what keeps an agent from living on a dream's mistakes."""

import math
from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs


class UncertaintyStop(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Truncate an episode once `info["uncertainty"]` has exceeded a limit for some steps in a row.

    `info["uncertainty_stop"]` tells such an end from that of a time limit. The env's own `max_uncertainty` stops at the
    first such step, in vector envs too; this one can wait out a single bad frame.

    Args:
        env: an env that reports its uncertainty, as learned worlds do.
        max_uncertainty: the limit, at least 0.
        patience: steps in a row above it that end the episode, at least 1.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(self, env: gym.Env[Any, Any], max_uncertainty: float, patience: int = 1) -> None:
        RecordConstructorArgs.__init__(self, max_uncertainty=max_uncertainty, patience=patience)
        gym.Wrapper.__init__(self, env)
        if not (math.isfinite(max_uncertainty) and max_uncertainty >= 0):
            raise ValueError(f"max_uncertainty must be a finite number and at least 0, got {max_uncertainty!r}")
        if patience < 1:
            raise ValueError(f"patience must be at least 1, got {patience!r}")
        self._max_uncertainty = max_uncertainty
        self._patience = patience
        self._unsure_steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        self._unsure_steps = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the env.

        Raises:
            ValueError: the env does not report its uncertainty.
        """
        observation, reward, terminated, truncated, info = self.env.step(action)
        if "uncertainty" not in info:
            raise ValueError(
                f"env must report its uncertainty in info, got {sorted(info)}; leave this wrapper out around a real env"
            )
        sure = info["uncertainty"] <= self._max_uncertainty  # nor where it is NaN
        self._unsure_steps = 0 if sure else self._unsure_steps + 1
        stopped = self._unsure_steps >= self._patience
        told = stopped or bool(info.get("uncertainty_stop", False))  # by the env itself
        return observation, reward, terminated, truncated or stopped, info | {"uncertainty_stop": told}
