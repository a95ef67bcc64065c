"""What a step costs late in a world's life against early in it: two ages of one world, stepped in turns.

The older state is made once, by as many steps. A state's tensors have the same shapes at every age, so that there is
nothing in it that could cost more; this measures it.

    python -m benchmarks.long_run --checkpoint minigrid
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from tqdm import tqdm

from benchmarks.report import write_report
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
    output: Path = RESULTS


def grow(model: WorldModel, config: LongRunConfig) -> dict[int, WorldState]:
    """Steps one batch of worlds to both ages, under the texts of its world in turn.

    Raises:
        ValueError: The ages do not rise from 1.
    """
    if not 1 <= config.young < config.old:
        raise ValueError(f"young must be at least 1 and below old, got {config.young} and {config.old}")
    phrases = model.card.worlds[first_world(model)].action_phrases.values()
    texts = cycle([phrase for each in phrases for phrase in each])
    state = model.reset(start_frames(model, config.batch), seeds=range(config.batch))
    states = {}
    for age in tqdm(range(1, config.old + 1), desc="growing old", unit="step", leave=False):
        state, _ = model.step(state, [next(texts) for _ in range(config.batch)])
        if age in (config.young, config.old):
            states[age] = state
    return states


def take_turns(
    model: WorldModel, states: Mapping[int, WorldState], *, repeats: int, clock: Callable[[], float]
) -> dict[int, list[float]]:
    """Steps each state `repeats` times, one after the other, and first once each untimed.

    Returns:
        Milliseconds of each step, by age.
    """
    milliseconds: dict[int, list[float]] = {age: [] for age in states}
    text = next(iter(model.card.worlds[first_world(model)].action_phrases.values()))[0]
    for turn in range(repeats + 1):
        for age in sorted(states, reverse=turn % 2 == 1):  # neither always follows the other
            begin = clock()
            _, output = model.step(states[age], [text] * states[age].batch_size)
            output.frames.cpu()  # waits for the device
            milliseconds[age].append(1000 * (clock() - begin))
    return {age: times[1:] for age, times in milliseconds.items()}


def measure(config: LongRunConfig) -> dict[str, Any]:
    """Grows both states and times a step of each.

    Returns:
        The results as JSON values; the ratio is the median of the turns' ratios, which a slow moment hardly moves.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    model = WorldModel.from_pretrained(config.checkpoint, device=config.device)
    states = grow(model, config)
    milliseconds = take_turns(model, states, repeats=config.repeats, clock=CLOCKS[config.clock])
    ratios = np.divide(milliseconds[config.old], milliseconds[config.young])
    low, ratio, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": model.card.weights_hash,
        **machine(config.device),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "ages": [
            {
                "round": age,
                "median_ms": float(np.median(milliseconds[age])),
                "p95_ms": float(np.quantile(milliseconds[age], 0.95)),
                "state_bytes": states[age].nbytes,
                "shapes": {name: list(tensor.shape) for name, tensor in states[age].tensors().items()},
            }
            for age in sorted(states)
        ],
        "ratio": float(ratio),
        "ratio_quartiles": [float(low), float(high)],
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [f"{'round':>8}{'median ms':>11}{'p95 ms':>9}{'state bytes':>13}"]
    for age in results["ages"]:
        lines.append(f"{age['round']:8,}{age['median_ms']:11.2f}{age['p95_ms']:9.2f}{age['state_bytes']:13,}")
    low, high = results["ratio_quartiles"]
    return "\n".join([*lines, f"late against early: {results['ratio']:.3f}x (quartiles {low:.3f} to {high:.3f})"])


def main(config: LongRunConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(LongRunConfig, description=__doc__))
