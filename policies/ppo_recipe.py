"""What `policies.ppo` goes on with after a stop: the recipe that its output folder was begun with."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from policies.ppo_config import PPOConfig
from wm_gym.checkpoint import read_card
from wm_gym.data.durable_writes import write_whole

RECIPE = "recipe.json"  # in the output folder
_FREE = frozenset(  # what may change between two stretches; a checkpoint may move, its weights may not
    ("output", "steps", "checkpoint_steps", "episodes", "watch_episodes", "tensorboard", "device", "checkpoint")
) | {"refresh", "real_steps"}  # `ppo_refresh` keeps those


def keep_recipe(config: PPOConfig) -> None:
    """Writes down what this output folder is trained with, or checks that it still is.

    Raises:
        ValueError: the folder was begun with another recipe.
    """
    path = config.output / RECIPE
    asked = _recipe(config)
    if not path.exists():
        config.output.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(asked, indent=1) + "\n").encode())
        return
    begun = _with_defaults(json.loads(path.read_text(encoding="utf-8")))
    changed = [name for name in sorted(asked.keys() | begun.keys()) if asked.get(name) != begun.get(name)]
    if changed:
        was = "; ".join(f"{name} was {begun.get(name)!r}, is {asked.get(name)!r}" for name in changed)
        raise ValueError(
            f"a training must go on as it began, got another recipe than {path}: {was}; restore it, or choose another "
            "output"
        )


def _with_defaults(begun: dict[str, Any]) -> dict[str, Any]:
    """A recipe with what later options were when it was written: their defaults."""
    defaults = _fields(PPOConfig(output=Path()))
    return defaults | begun | {"finetune": defaults["finetune"] | begun.get("finetune", {})}


def _fields(config: PPOConfig) -> dict[str, Any]:
    """The options that must stay, as JSON values."""
    kept = {name: value for name, value in asdict(config).items() if name not in _FREE}
    fields: dict[str, Any] = json.loads(json.dumps(kept, default=str))
    return fields


def _recipe(config: PPOConfig) -> dict[str, Any]:
    """What decides the course of training, as JSON values."""
    weights = read_card(config.checkpoint or config.world).weights_hash if config.env == "dream" else None
    return _fields(config) | {"weights_hash": weights}
