"""The bridge to stable-baselines3, which takes no Gymnasium vector env: `PPO("CnnPolicy", as_vec_env(envs))`.

Semantics after stable-baselines3's own `DummyVecEnv`: a world that ends begins anew within the step, its last
observation in `terminal_observation`, and `TimeLimit.truncated` where a policy must bootstrap.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import DependencyNotInstalled
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList
from numpy.typing import NDArray

from wm_gym.env import RESET_INFOS

try:
    from stable_baselines3.common.vec_env import VecEnv
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn
except ImportError as error:
    raise DependencyNotInstalled(
        f'wm_gym.sb3 must find the package stable-baselines3, got {error}; run `pip install "wm-gym[sb3]"`'
    ) from error

_OF_ONE_WORLD = ("reset", "step", "render", "close", "clone_state", "restore_state")


def as_vec_env(vector_env: gym.vector.VectorEnv[Any, Any, Any]) -> "WorldVecEnv":
    """The same worlds as stable-baselines3 wants them.

    Args:
        vector_env: from `gym.make_vec` of a Discrete or Box id, in any autoreset mode, in vector wrappers or without.

    Raises:
        ValueError: it is no vector env, or its actions are texts.
    """
    if not isinstance(vector_env, gym.vector.VectorEnv):
        raise ValueError(
            f"vector_env must be a Gymnasium VectorEnv, got {type(vector_env).__name__}; make it with gym.make_vec"
        )
    if not isinstance(vector_env.single_action_space, (gym.spaces.Discrete, gym.spaces.Box)):
        raise ValueError(
            f"vector_env must have Discrete or Box actions, got {vector_env.single_action_space}; "
            "stable-baselines3 knows no texts: make the Discrete id of the world"
        )
    return WorldVecEnv(vector_env)


class WorldVecEnv(VecEnv):
    """A Gymnasium vector env behind stable-baselines3's interface.

    All worlds share one vocabulary, so `get_attr` and `env_method` answer for the batch, once a world asked about.

    Args:
        vector_env: whose actions are Discrete or Box.
    """

    def __init__(self, vector_env: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        self.vector_env = vector_env
        self._listed: Any = DictInfoToList(vector_env)
        self._same_step = vector_env.metadata.get("autoreset_mode") is AutoresetMode.SAME_STEP
        self._actions: Any = None
        super().__init__(vector_env.num_envs, vector_env.single_observation_space, vector_env.single_action_space)

    def reset(self) -> NDArray[Any]:
        """Start an episode in every world, with what `seed` and `set_options` asked for."""
        options = self._shared_options()
        seeds = None if None in self._seeds else self._seeds
        observations, self.reset_infos = self._listed.reset(seed=seeds, options=options)
        self._reset_seeds()
        self._reset_options()
        return np.asarray(observations)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions; `step_wait` steps."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all worlds, and reset those that end.

        Returns:
            observations, rewards (float32), dones, and an info a world.
        """
        observations, rewards, terminations, truncations, infos = self._listed.step(self._actions)
        dones = terminations | truncations
        for row, info in enumerate(infos):
            info["TimeLimit.truncated"] = bool(truncations[row] and not terminations[row])
        if dones.any():
            observations = self._finish(observations, dones, infos)
        return observations, np.asarray(rewards, np.float32), dones, infos

    def _finish(self, observations: NDArray[Any], dones: NDArray[Any], infos: list[dict[str, Any]]) -> NDArray[Any]:
        """Keep the last observations in `infos` and the infos of the resets; return the first of the new episodes."""
        rows = np.flatnonzero(dones).tolist()
        if self._same_step:
            for row in rows:
                info = infos[row]
                self.reset_infos[row] = {name: info.pop(name) for name in RESET_INFOS if name in info}
                info |= info.pop("final_info", {}) | {"terminal_observation": info.pop("final_obs")}
            return observations
        for row in rows:
            infos[row]["terminal_observation"] = observations[row].copy()
        begun, reset_infos = self._listed.reset(options={"reset_mask": dones.copy()})
        for row in rows:
            self.reset_infos[row] = reset_infos[row]
        return np.asarray(begun)

    def close(self) -> None:
        """Close the vector env."""
        self._listed.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """The last frame of every world; None without a render mode."""
        frames: Any = self.vector_env.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of one world, or else of the vector env, once for every index.

        Raises:
            AttributeError: neither has it.
        """
        return [self._find(attr_name)] * self._count(indices)

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Nothing: worlds of a batch have no attributes of their own.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(
            f"{attr_name} must be an argument of make_vec, got set_attr: worlds of a batch share their attributes"
        )

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """What a method of one world, or else of the vector env, answers, once for every index.

        Raises:
            AttributeError: neither has it, or it acts on one world by itself.
        """
        if method_name in _OF_ONE_WORLD:
            raise AttributeError(
                f"env_method must not act on single worlds, got {method_name!r}: they run as one batch; "
                "use vec_env.vector_env"
            )
        return [self._find(method_name)(*method_args, **method_kwargs) for _ in range(self._count(indices))]

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: Any = None) -> list[bool]:
        """False: wrappers of single envs are never in here."""
        return [False] * self._count(indices)

    def _find(self, name: str) -> Any:
        """An attribute of one world, or else of the vector env.

        Raises:
            AttributeError: neither has it.
        """
        single = getattr(self.vector_env.unwrapped, "single_env", None)
        for holder in (single, self.vector_env):
            if hasattr(holder, name):
                return getattr(holder, name)
        raise AttributeError(f"{name} must be an attribute of {self.vector_env} or of one of its worlds, got none")

    def _count(self, indices: VecEnvIndices) -> int:
        """How many worlds were asked about."""
        return len(list(self._get_indices(indices)))

    def _shared_options(self) -> Mapping[str, Any] | None:
        """The options of the next reset.

        Raises:
            ValueError: they differ between worlds.
        """
        first = self._options[0]
        if any(options is not first and (options or first) for options in self._options):
            raise ValueError("options must be one dict for all worlds, got a list of them; pass one dict")
        return dict(first) or None
