"""What a step costs late in a world's life against early in it: two ages of one world, stepped in turns.

The older state is made once, by as many steps. A state's tensors have the same shapes at every age, so that there is
nothing in it that could cost more; this measures it.

    python -m benchmarks.long_run --checkpoint minigrid

What a memory costs, by two checkpoints of the same training:

    python -m benchmarks.long_run --checkpoint runs/memory --reference runs/plain --young 100 --output cost.json
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from tqdm import tqdm

from benchmarks.report import turn_ratio, write_report
from benchmarks.step_latency import CLOCKS, first_world, start_frames
from wm_gym.evaluation.provenance import machine
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

RESULTS = Path(__file__).parent / "results" / "long_run.json"


@dataclass(frozen=True, kw_only=True)
class LongRunConfig:
    """What to time.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        device: Where the model runs, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        batch: Worlds stepped at once.
        young: Rounds of the younger state.
        old: Rounds of the older one.
        repeats: How often both take turns.
        clock: What is counted: the time that goes by, or, for a busy machine, the processor's time on all threads.
        reference: Another checkpoint, stepped in the same turns at the younger age; None for none.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    device: str = "cpu"
    threads: int | None = None
    batch: int = 1
    young: int = 20
    old: int = 10_000
    repeats: int = 300
    clock: Literal["wall", "processor"] = "wall"
    reference: str | None = None
    output: Path = RESULTS


def grow(model: WorldModel, config: LongRunConfig, ages: Sequence[int]) -> dict[int, WorldState]:
    """Steps one batch of worlds to each of the ages, under the texts of its world in turn."""
    phrases = model.card.worlds[first_world(model)].action_phrases.values()
    texts = cycle([phrase for each in phrases for phrase in each])
    state = model.reset(start_frames(model, config.batch), seeds=range(config.batch))
    states = {}
    for age in tqdm(range(1, max(ages) + 1), desc="growing old", unit="step", leave=False):
        state, _ = model.step(state, [next(texts) for _ in range(config.batch)])
        if age in ages:
            states[age] = state
    return states


def take_turns(
    runs: Sequence[tuple[WorldModel, WorldState]], *, repeats: int, clock: Callable[[], float]
) -> list[list[float]]:
    """Steps each state `repeats` times, one after the other, and first once each untimed.

    Returns:
        Milliseconds of each step, run by run.
    """
    milliseconds: list[list[float]] = [[] for _ in runs]
    for turn in range(repeats + 1):
        for number in range(turn, turn + len(runs)):  # each begins a turn as often as the others
            (model, state), times = runs[number % len(runs)], milliseconds[number % len(runs)]
            text = next(iter(model.card.worlds[first_world(model)].action_phrases.values()))[0]
            begin = clock()
            _, output = model.step(state, [text] * state.batch_size)
            output.frames.cpu()  # waits for the device
            times.append(1000 * (clock() - begin))
    return [times[1:] for times in milliseconds]


def measure(config: LongRunConfig) -> dict[str, Any]:
    """Grows the states and times a step of each.

    Returns:
        The results as JSON values.

    Raises:
        ValueError: The ages do not rise from 1.
    """
    if not 1 <= config.young < config.old:
        raise ValueError(f"young must be at least 1 and below old, got {config.young} and {config.old}")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    model = WorldModel.from_pretrained(config.checkpoint, device=config.device)
    states = grow(model, config, (config.young, config.old))
    runs = [(model, states[config.young]), (model, states[config.old])]
    if config.reference is not None:
        other = WorldModel.from_pretrained(config.reference, device=config.device)
        runs.append((other, grow(other, config, (config.young,))[config.young]))
    early, late, *more = take_turns(runs, repeats=config.repeats, clock=CLOCKS[config.clock])
    ratio, quartiles = turn_ratio(late, early)
    reference: dict[str, Any] = {}
    if config.reference is not None:
        against, spread = turn_ratio(early, more[0])
        reference = {"weights_hash": runs[-1][0].card.weights_hash, "median_ms": float(np.median(more[0]))}
        reference |= {"ratio": against, "ratio_quartiles": spread}
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": model.card.weights_hash,
        **machine(config.device),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "ages": [
            {
                "round": age,
                "median_ms": float(np.median(times)),
                "p95_ms": float(np.quantile(times, 0.95)),
                "state_bytes": states[age].nbytes,
                "shapes": {name: list(tensor.shape) for name, tensor in states[age].tensors().items()},
            }
            for age, times in ((config.young, early), (config.old, late))
        ],
        "ratio": ratio,
        "ratio_quartiles": quartiles,
        "reference": reference,
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [f"{'round':>8}{'median ms':>11}{'p95 ms':>9}{'state bytes':>13}"]
    for age in results["ages"]:
        lines.append(f"{age['round']:8,}{age['median_ms']:11.2f}{age['p95_ms']:9.2f}{age['state_bytes']:13,}")
    low, high = results["ratio_quartiles"]
    lines.append(f"late against early: {results['ratio']:.3f}x (quartiles {low:.3f} to {high:.3f})")
    if reference := results["reference"]:
        low, high = reference["ratio_quartiles"]
        lines.append(f"early against the reference: {reference['ratio']:.3f}x (quartiles {low:.3f} to {high:.3f})")
    return "\n".join(lines)


def main(config: LongRunConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(LongRunConfig, description=__doc__))
