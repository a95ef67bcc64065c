"""Imagined steps a second: one `rollout` of many branches, against as many rollouts one by one; and what a fork costs.

Both sides step the same world with the same texts in the same process, in turns. The one by one side may be a share of
the branches (`single_branches`), scaled: its branches are independent of each other.

    python -m benchmarks.planning --checkpoint minigrid
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from benchmarks.report import write_report
from wm_gym.evaluation.provenance import machine
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

RESULTS = Path(__file__).parent / "results" / "planning.json"


@dataclass(frozen=True, kw_only=True)
class PlanningConfig:
    """What to time.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        world: A world of it; None takes the first.
        device: Where the model runs, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        branches: Futures of a rollout.
        steps: Steps of each.
        single_branches: How many of the branches are also rolled out one by one in each round.
        rounds: How often all cases take turns.
        forks: Worlds of the fork.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    world: str | None = None
    device: str = "cpu"
    threads: int | None = None
    branches: int = 256
    steps: int = 20
    single_branches: int = 16
    rounds: int = 3
    forks: int = 256
    output: Path = RESULTS


def storage_bytes(state: WorldState) -> int:
    """Returns the bytes of memory behind a state, those that its worlds share counted once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in state.tensors().values()}
    return sum(storage.nbytes() for storage in storages.values())


def measure(config: PlanningConfig) -> dict[str, Any]:
    """Times all cases in turns, so that a busy moment of the machine hits all of them.

    Returns:
        The results as JSON values.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    model = WorldModel.from_pretrained(config.checkpoint, device=config.device)
    world = config.world or next(iter(model.card.worlds))
    texts = [phrases[0] for phrases in model.card.worlds[world].action_phrases.values()]
    rng = np.random.default_rng(0)
    plans = [[texts[i] for i in row] for row in rng.integers(len(texts), size=(config.branches, config.steps))]
    state = model.reset(model.starts[world][:1], seeds=[0])
    state, _ = model.step(state, [texts[0]])
    model.rollout(state, plans[:2])  # warm-up
    seconds: dict[str, list[float]] = {"rollout": [], "rollout, shared prefixes": [], "one by one": []}
    model_steps: dict[str, int] = {}
    cases: Mapping[str, Callable[[], int]] = {
        "rollout": lambda: model.rollout(state, plans).model_steps,
        "rollout, shared prefixes": lambda: model.rollout(state, plans, share_prefixes=True).model_steps,
        "one by one": lambda: sum(model.rollout(state, [plan]).model_steps for plan in plans[: config.single_branches]),
    }
    for _ in range(config.rounds):
        for name, run in cases.items():
            started = time.perf_counter()
            model_steps[name] = run()
            seconds[name].append(time.perf_counter() - started)
    rates = {
        name: (config.single_branches if name == "one by one" else config.branches)
        * config.steps
        / float(np.median(times))
        for name, times in seconds.items()
    }
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": model.card.weights_hash,
        "dtype": str(state.latents.dtype),
        **machine(config.device),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "seconds": seconds,
        "model_steps": model_steps,
        "imagined_steps_per_second": rates,
        "speedup": {name: rates[name] / rates["one by one"] for name in cases if name != "one by one"},
        "fork": _fork(state, config),
    }


def _fork(state: WorldState, config: PlanningConfig) -> dict[str, Any]:
    """Times forks and counts what they copy; and the same with memory for each world, as before its next step."""
    lazy, own = [], []
    for _ in range(20):
        started = time.perf_counter()
        forks = state.repeat(config.forks)
        lazy.append(1000 * (time.perf_counter() - started))
        started = time.perf_counter()
        copies = state.select([0] * config.forks)
        own.append(1000 * (time.perf_counter() - started))
    return {
        "worlds": config.forks,
        "milliseconds": float(np.median(lazy)),
        "copied_bytes": storage_bytes(forks) - storage_bytes(state),
        "milliseconds_with_own_memory": float(np.median(own)),
        "bytes_with_own_memory": storage_bytes(copies),
        "state_bytes": state.nbytes,
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as text."""
    config, fork = results["config"], results["fork"]
    lines = [
        f"{results['checkpoint']} on {results['device_name']}, {results['threads']} threads: "
        f"{config['branches']} branches x {config['steps']} steps"
    ]
    lines += [f"{name:26}{rate:10.0f} steps/s" for name, rate in results["imagined_steps_per_second"].items()]
    lines += [f"{name} against one by one: {ratio:.2f}x" for name, ratio in results["speedup"].items()]
    lines.append(
        f"fork of {fork['worlds']}: {fork['milliseconds']:.3f} ms, {fork['copied_bytes']} bytes copied "
        f"(with memory of their own: {fork['milliseconds_with_own_memory']:.1f} ms, "
        f"{fork['bytes_with_own_memory']} bytes)"
    )
    return "\n".join(lines)


def main(config: PlanningConfig) -> None:
    """Measures, prints the results and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(PlanningConfig, description=__doc__))
