"""How a training runs: its numbers, the learning rate that follows from them, and what a resume may change."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

_FREE = (
    "allow_changes",
    "checkpoint_every",
    "checkpoint_minutes",
    "divergence_patience",
    "divergence_threshold",
    "gradient_checkpointing",
    "log_every",
    "num_iterations",
    "shard",
)


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How to train.

    Attributes:
        num_iterations: optimizer steps in all.
        learning_rate: the highest, reached after the warmup.
        warmup_iterations: iterations of linear warmup.
        final_learning_rate_fraction: what the cosine decay ends at, as a fraction of `learning_rate`, in [0, 1].
        weight_decay: AdamW's, on parameters of two or more dimensions.
        betas: AdamW's, each in [0, 1).
        gradient_clip: highest gradient norm, over all parameters.
        accumulate: batches an optimizer step; their gradients are averaged, so that memory is that of one batch.
        precision: of matrix products; weights stay in float32. bfloat16 is for GPUs that have units for it.
        ema_decay: decay of the averaged weights, in [0, 1).
        checkpoint_every: iterations between checkpoints; None for none by count.
        checkpoint_minutes: minutes between checkpoints; None for none by time.
        log_every: iterations between two points of the curves.
        divergence_threshold: the training stops where the loss, the gradient's norm or a head's loss stays above so
            many times its running median, or a part of the model has lost its gradient; more than 1. None never stops.
        divergence_patience: for how many iterations in a row.
        gradient_checkpointing: keep the inputs of the transformers' blocks alone for the backward pass, which runs the
            blocks again: less memory, more time, the same loss. Refused where there are no such blocks.
        shard: split the transformers' blocks, with gradients and optimizer state, over the processes (FSDP2); each
            then writes its own part of a training checkpoint. Any number of processes may go on with it.
        allow_changes: a resume may change these numbers, such as a learning rate that was too high; it is then another
            training from there on. Without it, only what says how often something is written may change.
        seed: of batches and noise, at least 0.

    Raises:
        ValueError: when a value is out of its range.
    """

    num_iterations: int
    learning_rate: float = 3e-4
    warmup_iterations: int = 500
    final_learning_rate_fraction: float = 0.1
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    gradient_clip: float = 1.0
    accumulate: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    ema_decay: float = 0.999
    checkpoint_every: int | None = None
    checkpoint_minutes: float | None = 5.0
    log_every: int = 50
    divergence_threshold: float | None = 10.0
    divergence_patience: int = 50
    gradient_checkpointing: bool = False
    shard: bool = False
    allow_changes: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        positive = (
            "num_iterations",
            "learning_rate",
            "gradient_clip",
            "accumulate",
            "log_every",
            "divergence_patience",
        )
        for name in (*positive, "checkpoint_every", "checkpoint_minutes"):
            value = getattr(self, name)
            if not (value is None and name not in positive) and not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")
        if self.divergence_threshold is not None and not 1 < self.divergence_threshold < math.inf:
            raise ValueError(
                f"divergence_threshold must be above 1 and finite, got {self.divergence_threshold}; None turns it off"
            )
        for name in ("warmup_iterations", "weight_decay", "seed"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)}")
        if not 0 <= self.final_learning_rate_fraction <= 1:
            raise ValueError(f"final_learning_rate_fraction must be in [0, 1], got {self.final_learning_rate_fraction}")
        for name, value in (("betas[0]", self.betas[0]), ("betas[1]", self.betas[1]), ("ema_decay", self.ema_decay)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1), got {value}")


def learning_rate(config: LoopConfig, iteration: int) -> float:
    """Return the learning rate of `iteration` (from 0): linear warmup, then cosine decay to the final fraction."""
    if iteration < config.warmup_iterations:
        return config.learning_rate * (iteration + 1) / config.warmup_iterations
    progress = (iteration - config.warmup_iterations) / max(1, config.num_iterations - config.warmup_iterations)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    floor = config.final_learning_rate_fraction
    return config.learning_rate * (floor + (1 - floor) * cosine)


def changed_values(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List the changes that would make a resume another training, each as "name old -> new".

    Both are JSON values: `{"loop": LoopConfig's fields, "stage": the stage's own}`. How often something is written may
    change, and so may `num_iterations`: the learning rate then follows the longer or the shorter schedule from the
    resume on. With `allow_changes` now, only the stage's own count.
    """
    defaults = {"loop": {each.name: each.default for each in fields(LoopConfig)}, "stage": {}}
    changes = []
    for part in ("stage",) if now["loop"].get("allow_changes") else ("loop", "stage"):
        for name in sorted(before[part].keys() | now[part].keys()):
            old, new = before[part].get(name, defaults[part].get(name)), now[part].get(name)
            free = part == "loop" and name in _FREE
            if old != new and not free:
                changes.append(f"{name} {old!r} -> {new!r}")
    return changes
