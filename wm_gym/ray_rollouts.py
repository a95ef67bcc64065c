"""Rollouts on many processes or machines with Ray: actors that each hold the model and step a vector env.

    learners ──actions──▶ N actors, each with a model on its own device and its own worlds ──▶ steps, as they come

Worlds are numbered through: actor k has the worlds k * num_envs to (k + 1) * num_envs - 1, and world i is seeded with
seed + i, so the worlds are those of one vector env of all of them, up to the rounding of another batch size.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

try:
    import ray
    from ray.exceptions import RayActorError
except ImportError as error:
    raise DependencyNotInstalled(
        f'wm_gym.ray_rollouts must find the package ray, got {error}; run `pip install "wm-gym[ray]"`'
    ) from error

from wm_gym.vector_arguments import check_count

Policy = Callable[[NDArray[Any]], Sequence[Any] | NDArray[Any]]  # observations of all worlds -> an action a world


class WorkerLost(RuntimeError):
    """An actor's process is gone. The others run on; `close` ends them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RolloutBatch:
    """What an actor's worlds lived, time first.

    Attributes:
        worker: number of the actor.
        observations: of each step before its action, and of the last one after it.
        actions: what was done.
        rewards: of each step.
        terminated: whether a step ended an episode.
        truncated: whether a time limit or the uncertainty did.
        began: whether a step only began the next episode; its action was ignored and its reward is 0.
    """

    worker: int
    observations: NDArray[Any]
    actions: list[Any]
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    began: NDArray[np.bool_]


class RolloutWorker:
    """A vector env and what steps it; Ray runs one in every actor.

    Args:
        index: number of the actor.
        id: of the env, as `gym.make_vec` takes it.
        num_envs: its worlds.
        arguments: of `make_vec`.
        threads: of torch; None leaves its own choice.
    """

    def __init__(
        self, index: int, id: str, num_envs: int, arguments: Mapping[str, Any], threads: int | None = None
    ) -> None:
        self.index = index
        self._id, self._arguments, self._threads = id, arguments, threads
        self._observation: NDArray[Any] | None = None
        self._ended = np.zeros(num_envs, np.bool_)

    def make(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """Loads the model and returns the spaces of one world's observations and actions."""
        import torch  # here, in the actor's process

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        self.envs: Any = gym.make_vec(self._id, len(self._ended), **self._arguments)
        return self.envs.single_observation_space, self.envs.single_action_space

    def reset(self, seed: int | None) -> NDArray[Any]:
        """Starts an episode in every world."""
        self._observation, _ = self.envs.reset(seed=seed)
        self._ended[:] = False
        return self._observation

    def sample(self, policy: Policy, num_steps: int) -> RolloutBatch:
        """Steps every world; an actor that was never reset begins by itself."""
        observation = self.reset(None) if self._observation is None else self._observation
        observations, steps = [observation], []
        for _ in range(num_steps):
            actions = policy(observations[-1])
            observation, rewards, terminated, truncated, _ = self.envs.step(actions)
            steps.append((actions, rewards, terminated, truncated, self._ended))
            self._ended = terminated | truncated
            self._observation = observation
            observations.append(observation)
        actions, *columns = (list(column) for column in zip(*steps, strict=True))
        rewards, terminated, truncated, began = (np.stack(column) for column in columns)
        return RolloutBatch(
            worker=self.index,
            observations=np.stack(observations),
            actions=actions,
            rewards=rewards,
            terminated=terminated,
            truncated=truncated,
            began=began,
        )


class RayRollouts:
    """Actors that step worlds side by side; Ray must have been started, or starts here on this machine.

    Worlds go on from one `sample` to the next. Every actor loads the model itself, so `id` should carry the module that
    registers it ("wm_gym:wm_gym/MiniGridDiscrete-v0").

    Args:
        id: of the env, as `gym.make_vec` takes it.
        num_workers: actors, at least 1.
        num_envs: worlds of each of them, at least 1.
        num_cpus: cores that Ray keeps for an actor; also the threads of its torch where it is a whole number.
        num_gpus: GPUs, or shares of one, that Ray keeps for an actor; with more than 0 the models run on "cuda".
        arguments: further ones of `gym.make_vec`, such as `checkpoint` or `max_episode_steps`; no `autoreset_mode`.

    Raises:
        ValueError: a number out of range, or what `make_vec` refuses, from the first actor.
    """

    def __init__(
        self,
        id: str,
        num_workers: int,
        num_envs: int,
        *,
        num_cpus: float = 1.0,
        num_gpus: float = 0.0,
        **arguments: Any,
    ) -> None:
        check_count("num_workers", num_workers)
        check_count("num_envs", num_envs)
        if "autoreset_mode" in arguments:
            raise ValueError(
                f"autoreset_mode must be left out, got {arguments['autoreset_mode']!r}: rollouts take NEXT_STEP, the "
                "default, whose first step of an episode `began` marks"
            )
        if num_gpus > 0:
            arguments = {"device": "cuda", **arguments}
        actor: Any = ray.remote(RolloutWorker).options(num_cpus=num_cpus, num_gpus=num_gpus)
        threads = max(1, int(num_cpus))
        self.num_envs = num_envs
        self._actors: list[Any] = [
            actor.remote(index, id, num_envs, arguments, threads) for index in range(num_workers)
        ]
        try:
            self.single_observation_space, self.single_action_space = self._ask("make")[0]
        except BaseException:
            self.close()
            raise

    @property
    def num_worlds(self) -> int:
        """Of all actors."""
        return self.num_envs * len(self._actors)

    def reset(self, seed: int | None = None) -> NDArray[Any]:
        """Starts an episode in every world; world i takes seed + i.

        Returns:
            The observations of all worlds.

        Raises:
            WorkerLost: an actor's process is gone.
        """
        seeds = [None if seed is None else seed + index * self.num_envs for index in range(len(self._actors))]
        return np.concatenate(self._ask("reset", *([each] for each in seeds)))

    def sample(self, policy: Policy, num_steps: int) -> list[RolloutBatch]:
        """Steps every world with a policy, which each actor gets a copy of.

        Args:
            policy: observations of an actor's worlds -> an action a world. Ray pickles it.
            num_steps: of each world, at least 1.

        Returns:
            A batch an actor, in their order.

        Raises:
            ValueError: fewer steps than 1, or an action that the env refuses.
            WorkerLost: an actor's process is gone.
        """
        check_count("num_steps", num_steps)
        shared = ray.put(policy)
        return self._ask("sample", *([shared, num_steps] for _ in self._actors))

    def close(self) -> None:
        """Ends the actors. Ray itself runs on."""
        for actor in self._actors:
            ray.kill(actor)
        self._actors = []

    def __enter__(self) -> "RayRollouts":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str, *arguments: Sequence[Any]) -> list[Any]:
        """The answers of all actors to a call, each with its own arguments."""
        if not self._actors:
            raise ValueError(f"{method} must not be called after close(), got no actors; make another RayRollouts")
        each = arguments or [()] * len(self._actors)
        calls = [getattr(actor, method).remote(*given) for actor, given in zip(self._actors, each, strict=True)]
        try:
            answers: list[Any] = ray.get(calls)
        except RayActorError as error:
            raise WorkerLost(
                f"every actor must live, got one whose process is gone in {method}: {error}; "
                "close() and make another RayRollouts"
            ) from error
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error  # what the env said, as it said it
        return answers
