"""How long a step takes: `env.step` by stage, the world model by batch and denoising steps, and two references.

The references run in the same process, in turns with what they are compared with: the same weights without a KV cache
(the history's frames encoded and read again at every step), and the real twin's simulator.

    python -m benchmarks.step_latency --checkpoint minigrid
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from torch import Tensor

from benchmarks.report import write_report
from wm_gym.decoder.sampling import sample_chunk
from wm_gym.decoder.sigmas import sampling_sigmas
from wm_gym.evaluation.provenance import machine
from wm_gym.world_model import WorldModel

RESULTS = Path(__file__).parent / "results" / "step_latency.json"
ENV = "wm_gym:wm_gym/World-v0"
CLOCKS: Mapping[str, Callable[[], float]] = {"wall": perf_counter, "processor": process_time}


@dataclass(frozen=True, kw_only=True)
class StepLatencyConfig:
    """What to time.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        device: Where the model runs, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        batches: Batch sizes of the world model.
        denoising_steps: Decoder calls per chunk.
        rounds: How often all cases take turns.
        steps: Steps of each case in a round; one more before them is not timed.
        twin: Gymnasium id of the real twin; "" leaves it out.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    device: str = "cpu"
    threads: int | None = None
    batches: tuple[int, ...] = (1, 16, 64)
    denoising_steps: tuple[int, ...] = (1, 2, 4)
    rounds: int = 8
    steps: int = 12
    twin: str = "envs:real/MiniGrid-v0"
    output: Path = RESULTS


@dataclass(kw_only=True)
class Case:
    """Something that steps, and how long it took.

    Attributes:
        name: What steps.
        batch: Worlds stepped at once.
        num_denoising_steps: Decoder calls per chunk; 0 where there is no decoder.
        step: Takes one step and returns milliseconds by stage, if it knows them.
        milliseconds: Of each timed step.
        stages: Milliseconds by stage of each timed step.
    """

    name: str
    batch: int
    num_denoising_steps: int
    step: Callable[[], Mapping[str, float]]
    milliseconds: list[float] = field(default_factory=list)
    stages: list[Mapping[str, float]] = field(default_factory=list)

    def run(self, steps: int) -> None:
        """Takes one step untimed, for the caches' sake, and then times `steps`."""
        self.step()
        for _ in range(steps):
            begin = perf_counter()
            stages = self.step()
            self.milliseconds.append(1000 * (perf_counter() - begin))
            self.stages.append(stages)

    def to_json(self) -> dict[str, Any]:
        """Returns median, spread, rate and the median of each stage."""
        median, p95 = np.quantile(self.milliseconds, [0.5, 0.95])
        names = self.stages[0]
        return {
            "case": self.name,
            "batch": self.batch,
            "num_denoising_steps": self.num_denoising_steps,
            "median_ms": float(median),
            "p95_ms": float(p95),
            "steps_per_second": 1000 * self.batch / float(median),
            "stages_ms": {name: float(np.median([stages[name] for stages in self.stages])) for name in names},
            "samples": len(self.milliseconds),
        }


def env_case(env: gym.Env[Any, str], texts: Sequence[str], name: str, num_denoising_steps: int) -> Case:
    """Steps an env, learned or real, with texts in turn; an ended episode starts anew within the step."""
    spoken = cycle(texts)
    env.reset(seed=0)

    def step() -> Mapping[str, float]:
        _, _, terminated, truncated, _ = env.step(next(spoken))
        latencies: Mapping[str, float] = dict(getattr(env.unwrapped, "latencies", {}))  # the real twin has no stages
        if terminated or truncated:
            env.reset()
        return latencies

    return Case(name=name, batch=1, num_denoising_steps=num_denoising_steps, step=step)


def model_case(model: WorldModel, texts: Sequence[str], *, batch: int, num_denoising_steps: int) -> Case:
    """Steps the world model with a KV cache, as everything in the house does."""
    state = model.reset(start_frames(model, batch), seeds=range(batch))
    spoken = cycle(texts)

    def step() -> Mapping[str, float]:
        nonlocal state
        actions = [next(spoken) for _ in range(batch)]
        state, output = model.step(state, actions, num_denoising_steps=num_denoising_steps)
        output.frames.cpu()  # waits for the device
        return {stage: 1000 * seconds for stage, seconds in output.latencies.items()}

    return Case(name="world model", batch=batch, num_denoising_steps=num_denoising_steps, step=step)


def plain_case(model: WorldModel, texts: Sequence[str], *, batch: int, num_denoising_steps: int) -> Case:
    """Does the work of a step on full history without a KV cache in the transition."""
    rounds = model.transition.history_rounds + 1
    frames = start_frames(model, batch)
    history = [frames] * rounds
    spoken = cycle(texts)
    sigmas = sampling_sigmas(num_denoising_steps, model.decoder.config.shift)
    cache = model.decoder.empty_cache(batch)

    if model.transition.memory is not None:
        raise ValueError("checkpoint must have no memory, got one with; without caches it would be left out")

    @torch.no_grad()
    def step() -> Mapping[str, float]:
        latents = [model.autoencoder.encode(chunk) for chunk in history]
        observations = torch.stack([model.encoder(each) for each in latents], dim=1)
        actions = torch.stack([model.encode_actions([next(spoken)] * batch) for _ in range(rounds)], dim=1)
        latent_state = model.transition(observations, actions)[:, -1]
        noise = torch.randn_like(latents[-1])
        past = torch.cat(latents, dim=1)[:, -model.decoder.config.past_frames :]
        drawn = sample_chunk(model.decoder, cache, past, latent_state, noise, sigmas)
        chunk = model.autoencoder.decode(drawn)
        model.heads(latent_state, model.encoder(model.autoencoder.encode(chunk)))
        history.append(chunk)
        del history[0]
        chunk.cpu()  # waits for the device
        return {}

    return Case(name="without KV cache", batch=batch, num_denoising_steps=num_denoising_steps, step=step)


def start_frames(model: WorldModel, batch: int) -> Tensor:
    """Returns start observations of the checkpoint's first world, in turn."""
    starts = model.starts[first_world(model)]
    return starts[torch.arange(batch) % len(starts)].to(model.device)


def first_world(model: WorldModel) -> str:
    """Returns the world that is timed; all of a checkpoint cost the same."""
    return next(iter(model.card.worlds))


def build_cases(model: WorldModel, config: StepLatencyConfig) -> list[Case]:
    """Builds everything that is timed: the env first, then the model, then the references."""
    texts = [phrase for phrases in model.card.worlds[first_world(model)].action_phrases.values() for phrase in phrases]
    own = model.card.num_denoising_steps
    env = gym.make(
        ENV, world=first_world(model), checkpoint=config.checkpoint, device=config.device, disable_env_checker=True
    )
    cases = [env_case(env, texts, "env.step", own)]
    for batch in config.batches:
        for steps in sorted({own, *config.denoising_steps}):
            cases.append(model_case(model, texts, batch=batch, num_denoising_steps=steps))
        cases.append(plain_case(model, texts, batch=batch, num_denoising_steps=own))
    if config.twin:
        cases.append(env_case(gym.make(config.twin, disable_env_checker=True), texts, "real twin", 0))
    return cases


def measure(config: StepLatencyConfig) -> dict[str, Any]:
    """Times all cases in turns, so that a busy moment of the machine hits all of them.

    Returns:
        The results as JSON values.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    model = WorldModel.from_pretrained(config.checkpoint, device=config.device)
    cases = build_cases(model, config)
    for _ in range(config.rounds):
        for case in cases:
            case.run(config.steps)
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": model.card.weights_hash,
        "shape": [model.card.chunk_frames, *model.card.frame_size, 3],
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **machine(config.device),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "cases": [case.to_json() for case in cases],
        "speedup_over_no_cache": _speedups(cases, model.card.num_denoising_steps),
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    commit, mark, changes = (results["commit"] or "unknown").partition("+")
    lines = [
        f"{results['checkpoint']} ({results['parameters']:,} parameters, {results['dtype']}, chunk {results['shape']}) "
        f"on {results['device_name']}, {results['threads']} threads, commit {commit[:12]}{mark}{changes}",
        f"{'case':20}{'batch':>6}{'denoising':>10}{'median ms':>11}{'p95 ms':>9}{'steps/s':>10}  stages, ms",
    ]
    for case in results["cases"]:
        stages = ", ".join(f"{name} {value:.1f}" for name, value in case["stages_ms"].items())
        lines.append(
            f"{case['case']:20}{case['batch']:6}{case['num_denoising_steps']:10}{case['median_ms']:11.2f}"
            f"{case['p95_ms']:9.2f}{case['steps_per_second']:10.0f}  {stages}"
        )
    speedups = ", ".join(f"{value:.2f}x at batch {batch}" for batch, value in results["speedup_over_no_cache"].items())
    return "\n".join([*lines, f"KV cache against none: {speedups}"])


def main(config: StepLatencyConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


def _speedups(cases: Sequence[Case], num_denoising_steps: int) -> dict[str, float]:
    """Returns how many times faster the cached step is, by batch."""
    medians = {
        (case.name, case.batch): float(np.median(case.milliseconds))
        for case in cases
        if case.num_denoising_steps == num_denoising_steps
    }
    batches = [batch for name, batch in medians if name == "without KV cache"]
    return {str(batch): medians["without KV cache", batch] / medians["world model", batch] for batch in batches}


if __name__ == "__main__":
    main(tyro.cli(StepLatencyConfig, description=__doc__))
