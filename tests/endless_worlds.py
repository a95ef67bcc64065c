"""Tiny untrained checkpoints that end nothing, for tests of what stands around a world model."""

from pathlib import Path
from typing import Any

import torch

from tests.worlds import tiny_world_model
from wm_gym.env import WorldModelEnv
from wm_gym.world_model import WorldModel

TEXTS = ["go left", "wait", "go down", "", "any text at all"]


def write_endless_checkpoint(folder: Path, chunk_frames: int = 1) -> Path:
    """A tiny untrained world whose head ends nothing."""
    model = tiny_world_model(folder / "data", chunk_frames=chunk_frames)
    set_termination_logit(model, -9.0)
    model.save_pretrained(folder / "world")
    return folder / "world"


def set_termination_logit(model: WorldModel, value: float) -> None:
    """Make the model end every episode at once (value > 0), or none."""
    with torch.no_grad():
        model.heads.readout.weight[-1] = 0
        model.heads.readout.bias[-1] = value


def live(env: WorldModelEnv, texts: list[str]) -> list[Any]:
    """What the env answers to the texts, as comparable values."""
    steps = [env.step(text) for text in texts]
    return [(observation.tobytes(), *rest, sorted(info)) for observation, *rest, info in steps]
