"""The shipped checkpoints: env steps a second by batch, with what each stage took and the peak of memory."""

from collections.abc import Iterator, Sequence
from itertools import cycle, product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

import wm_gym
from wm_gym.world_model import WorldModel

WARMUP = 4  # steps: compiling, warming up for a CUDA graph, recording it


def shipped() -> list[str]:
    """Names of the checkpoints in the package."""
    weights = Path(wm_gym.__file__).parent / "weights"
    return sorted(path.parent.name for path in weights.glob("*/world_model.json"))


def measure(
    checkpoints: Sequence[str], device: torch.device, batches: Sequence[int], steps: int, compiled: bool
) -> Iterator[dict[str, Any]]:
    """A row for each checkpoint, way and batch, as they come; one that fails says why.

    Args:
        checkpoints: shipped names or folders.
        device: where the model runs.
        batches: worlds stepped at once.
        steps: steps timed, after some that are not.
        compiled: whether to time the compiled step, one CUDA graph, beside the plain one.
    """
    for name, is_compiled in product(checkpoints, (False, True) if compiled else (False,)):
        model = WorldModel.from_pretrained(name, device=str(device), compiled=is_compiled)
        for batch in batches:
            row: dict[str, Any] = {"checkpoint": Path(name).name, "compiled": is_compiled, "batch": batch}
            try:
                row |= measure_batch(model, batch, steps)
            except Exception as failure:  # out of memory, say
                row["failed"] = f"{type(failure).__name__}: {failure}"[:400]
            yield row


def measure_batch(model: WorldModel, batch: int, steps: int) -> dict[str, Any]:
    """Steps worlds with their card's phrases in turn; frames reach the host in every step."""
    world = next(iter(model.card.worlds))
    phrases = cycle([phrase for group in model.card.worlds[world].action_phrases.values() for phrase in group])
    starts = model.starts[world]
    cuda = model.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    state = model.reset(starts[torch.arange(batch) % len(starts)].to(model.device), seeds=range(batch))
    times, stages = [], []
    for number in range(steps + WARMUP):
        actions = [next(phrases) for _ in range(batch)]
        begin = perf_counter()
        state, output = model.step(state, actions)
        output.frames.cpu()  # waits for the device
        if number >= WARMUP:
            times.append(perf_counter() - begin)
            stages.append(output.latencies)
    median = float(np.median(times))
    return {
        "median_ms": 1000 * median,
        "p95_ms": 1000 * float(np.quantile(times, 0.95)),
        "steps_per_second": batch / median,
        "stages_ms": {name: 1000 * float(np.median([each[name] for each in stages])) for name in stages[0]},
        **({"peak_gib": torch.cuda.max_memory_allocated() / 2**30} if cuda else {}),
    }


def render(rows: Sequence[dict[str, Any]]) -> str:
    """Returns the rows as a table."""
    lines = [f"{'checkpoint':20}{'way':9}{'batch':>6}{'median ms':>11}{'steps/s':>10}{'GiB':>7}  stages, ms"]
    for row in rows:
        way = "compiled" if row["compiled"] else "plain"
        if "failed" in row:
            lines.append(f"{row['checkpoint']:20}{way:9}{row['batch']:6}  {row['failed'][:80]}")
            continue
        stages = ", ".join(f"{name} {value:.1f}" for name, value in row["stages_ms"].items())
        lines.append(
            f"{row['checkpoint']:20}{way:9}{row['batch']:6}{row['median_ms']:11.2f}{row['steps_per_second']:10.0f}"
            f"{row.get('peak_gib', 0):7.1f}  {stages}"
        )
    return "\n".join(lines)
