"""wm-gym: a learned world model behind the Gymnasium API.

Importing registers the ids and loads no torch; the classes below arrive on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gymnasium.envs.registration import register

if TYPE_CHECKING:
    from wm_gym.discrete_env import DiscreteWorldModelEnv
    from wm_gym.env import WorldModelEnv
    from wm_gym.env_state import EnvState
    from wm_gym.world_model import WorldModel
    from wm_gym.world_state import WorldState

__version__ = "0.1.0"
__all__ = ["DiscreteWorldModelEnv", "EnvState", "WorldModel", "WorldModelEnv", "WorldState"]

_MODULES = {
    "DiscreteWorldModelEnv": "wm_gym.discrete_env",
    "EnvState": "wm_gym.env_state",
    "WorldModel": "wm_gym.world_model",
    "WorldModelEnv": "wm_gym.env",
    "WorldState": "wm_gym.world_state",
}


def __getattr__(name: str) -> Any:
    """Import a public class on first use, so that `import wm_gym` stays light."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """The public names too, before their first use."""
    return sorted({*globals(), *__all__})


register(
    id="wm_gym/MiniGrid-v0",
    entry_point="wm_gym.env:WorldModelEnv",
    kwargs={"world": "minigrid"},
    max_episode_steps=256,
)
register(
    id="wm_gym/MiniGridDiscrete-v0",
    entry_point="wm_gym.discrete_env:DiscreteWorldModelEnv",
    kwargs={"world": "minigrid"},
    max_episode_steps=256,
)
