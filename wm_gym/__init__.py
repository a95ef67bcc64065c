"""wm-gym: a learned world model behind the Gymnasium API.

Importing registers the ids and loads no torch; the names below arrive on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gymnasium.envs.registration import register

from wm_gym.worlds import WORLDS

if TYPE_CHECKING:
    from wm_gym.box_env import BoxWorldModelEnv
    from wm_gym.box_vector_env import BoxWorldModelVectorEnv
    from wm_gym.discrete_env import DiscreteWorldModelEnv
    from wm_gym.discrete_vector_env import DiscreteWorldModelVectorEnv
    from wm_gym.env import WorldModelEnv
    from wm_gym.env_state import EnvState
    from wm_gym.training.finetune import finetune
    from wm_gym.vector_env import WorldModelVectorEnv
    from wm_gym.vector_state import VectorEnvState
    from wm_gym.world_model import WorldModel
    from wm_gym.world_state import WorldState

__version__ = "0.1.0"
__all__ = [
    "BoxWorldModelEnv",
    "BoxWorldModelVectorEnv",
    "DiscreteWorldModelEnv",
    "DiscreteWorldModelVectorEnv",
    "EnvState",
    "VectorEnvState",
    "WorldModel",
    "WorldModelEnv",
    "WorldModelVectorEnv",
    "WorldState",
    "finetune",
]

_MODULES = {
    "BoxWorldModelEnv": "wm_gym.box_env",
    "BoxWorldModelVectorEnv": "wm_gym.box_vector_env",
    "DiscreteWorldModelEnv": "wm_gym.discrete_env",
    "DiscreteWorldModelVectorEnv": "wm_gym.discrete_vector_env",
    "EnvState": "wm_gym.env_state",
    "VectorEnvState": "wm_gym.vector_state",
    "WorldModel": "wm_gym.world_model",
    "WorldModelEnv": "wm_gym.env",
    "WorldModelVectorEnv": "wm_gym.vector_env",
    "WorldState": "wm_gym.world_state",
    "finetune": "wm_gym.training.finetune",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import wm_gym` stays light."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """The public names too, before their first use."""
    return sorted({*globals(), *__all__})


def _register(id_name: str, arguments: dict[str, Any], max_episode_steps: int | None, *, has_numbers: bool) -> None:
    """Register the ids of a world: texts, numbers of actions, and numbers where it takes them."""
    for kind in ("", "Discrete", "Box") if has_numbers else ("", "Discrete"):
        prefix = f"{kind.lower()}_" if kind else ""
        register(
            id=f"wm_gym/{id_name}{kind}-v0",
            entry_point=f"wm_gym.{prefix}env:{kind}WorldModelEnv",
            vector_entry_point=f"wm_gym.{prefix}vector_env:{kind}WorldModelVectorEnv",
            kwargs=arguments,
            max_episode_steps=max_episode_steps,
        )


# any world of any checkpoint: gym.make("wm_gym/World-v0", world=..., checkpoint=...)
_register("World", {}, None, has_numbers=True)
for _name, _world in WORLDS.items():
    if _world.is_shipped:
        _register(_world.id_name, {"world": _name}, _world.max_episode_steps, has_numbers=_world.has_numbers)
