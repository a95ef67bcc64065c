"""How long worlds stay right, checkpoint by checkpoint: the whole state after 16, 64, 256 and 1,000 open-loop steps.

All checkpoints dream the same rollouts, from layouts that training never starts from, under a policy that ends no
episode. A checkpoint is sampled as it was trained; write it as PATH:autoregressive or PATH:swin to choose, and as
PATH:kept to let the drawn latents become history as they are, without decoding and encoding them again.

    python -m benchmarks.long_ablation --checkpoints minigrid minigrid:kept runs/swin --rollouts 64
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import torch
import tyro
from tqdm import tqdm

from benchmarks.kept_latents import keep_latents
from benchmarks.report import write_report
from wm_gym.decoder.chunk_sampler import ChunkSampling
from wm_gym.evaluation.config import FidelityConfig, ResolvedConfig
from wm_gym.evaluation.dreaming import dream_long
from wm_gym.evaluation.drift import DriftCounts, count_drift
from wm_gym.evaluation.intervals import wilson_interval
from wm_gym.evaluation.provenance import machine
from wm_gym.evaluation.rollouts import Lead, LongRollout, collect_long_rollout, rollout_seed
from wm_gym.evaluation.speech import Speech
from wm_gym.evaluation.states import reader_of
from wm_gym.evaluation.twin import Env, judging_twin, make_twin
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel

KEPT = ":kept"
"""Behind a checkpoint: its latents are not encoded again."""

RESULTS = Path(__file__).parent / "results" / "long_ablation.json"


@dataclass(frozen=True, kw_only=True)
class LongAblationConfig:
    """What to measure.

    Attributes:
        checkpoints: Shipped names or checkpoint folders, each with ":autoregressive" or ":swin" behind it or neither,
            and last ":kept" or not.
        world: Which of their worlds; None where they have one.
        steps: When the states are compared, rising.
        rollouts: Rollouts of each checkpoint.
        seed: Of the rollouts.
        batch_size: Worlds dreamed at once.
        num_denoising_steps: Decoder calls per chunk; None takes each checkpoint's own.
        guidance_scale: Classifier-free guidance on the action; 1 is off.
        device: Where the models run, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        output: The JSON file.
    """

    checkpoints: Annotated[tuple[str, ...], tyro.conf.arg(metavar="CHECKPOINT")] = ("minigrid",)
    world: str | None = None
    steps: tuple[int, ...] = (16, 64, 256, 1000)
    rollouts: int = 64
    seed: int = 80_000
    batch_size: int = 64
    num_denoising_steps: int | None = None
    guidance_scale: float = 1.0
    device: str = "cpu"
    threads: int | None = None
    output: Path = RESULTS


def measure(config: LongAblationConfig) -> dict[str, Any]:
    """Dreams the rollouts of each checkpoint.

    Raises:
        ValueError: No checkpoint, steps that do not rise from 1, no rollout, or a world without a policy that never
            ends.
    """
    rising = list(config.steps) == sorted(set(config.steps)) and all(step >= 1 for step in config.steps)
    if not config.checkpoints or not config.steps or not rising or config.rollouts < 1:
        raise ValueError(
            "checkpoints must name at least one, steps rise from 1, and rollouts be at least 1, got "
            f"{config.checkpoints}, {config.steps} and {config.rollouts}"
        )
    torch.set_num_threads(config.threads or torch.get_num_threads())
    cases = [_case(name, config) for name in config.checkpoints]
    settings = asdict(config) | {"output": str(config.output)}
    return {"config": settings, "cases": cases, "machine": machine(torch.device(config.device))}


def split_sampling(name: str) -> tuple[str, ChunkSampling | None]:
    """A checkpoint and how to sample it, from "checkpoint" or "checkpoint:sampling"."""
    checkpoint, _, sampling = name.rpartition(":")
    if checkpoint and sampling in get_args(ChunkSampling):
        return checkpoint, cast(ChunkSampling, sampling)
    return name, None


def _case(name: str, config: LongAblationConfig) -> dict[str, Any]:
    checkpoint, sampling = split_sampling(name.removesuffix(KEPT))
    model = WorldModel.from_pretrained(checkpoint, config.device, sampling)
    if name.endswith(KEPT):
        keep_latents(model)
    plan = FidelityConfig(checkpoint=checkpoint, world=config.world, drift_rollouts=config.rollouts).resolve(model.card)
    env = make_twin(plan.twin, split=plan.split)
    try:
        counts = _counts(name, model, env, plan, config)
    finally:
        env.close()
    return {
        "checkpoint": name,
        "weights": model.card.weights_hash[:12],
        "trained_for": "autoregressive" if model.decoder.config.swin is None else "swin",
        "steps": {step: _row(found) for step, found in counts.items()},
    }


def _counts(
    name: str, model: WorldModel, env: Env, plan: ResolvedConfig, config: LongAblationConfig
) -> dict[int, DriftCounts]:
    reader, twin = reader_of(env, plan.world), judging_twin(env)
    assert reader is not None, "judging_twin raises before"
    sampling = StepArguments(num_denoising_steps=config.num_denoising_steps, guidance_scale=config.guidance_scale)
    counts = dict.fromkeys(config.steps, DriftCounts())
    batches = range(0, config.rollouts, config.batch_size)
    with tqdm(total=len(batches) * config.steps[-1], desc=name, unit="step", leave=False) as bar:
        for first in batches:
            rows = range(first, min(first + config.batch_size, config.rollouts))
            rollouts = [_rollout(model, env, plan, config, row) for row in rows]
            for step, chunks in dream_long(model, rollouts, sampling=sampling, on_step=bar.update):
                counts[step] += count_drift(twin, reader, rollouts, step, chunks)
    return counts


def _rollout(model: WorldModel, env: Env, plan: ResolvedConfig, config: LongAblationConfig, number: int) -> LongRollout:
    assert plan.drift_policy is not None, "checked by FidelityConfig.resolve"
    rollout = collect_long_rollout(
        env,
        plan.drift_policy,
        seed=rollout_seed(config.seed, number),
        num_steps=config.steps[-1],
        keep=config.steps,
        lead=Lead(steps=plan.lead_steps, clip_frames=model.kept_frames),
    )
    speech = Speech(env, model.card.worlds[plan.world])
    return replace(rollout, actions=speech.translate(rollout.actions, seed=rollout.seed))


def _row(counts: DriftCounts) -> dict[str, Any]:
    interval = wilson_interval(counts.exact, counts.n)
    return counts.to_json() | {"state_accuracy_interval": list(interval)}


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table: the share of whole states that are right, with its 95 % interval."""
    cases = results["cases"]
    width = max(len(case["checkpoint"]) for case in cases)
    lines = [" " * width + "".join(f"{'step ' + str(step):>24}" for step in cases[0]["steps"])]
    for case in cases:
        cells = []
        for row in case["steps"].values():
            share, (low, high) = row["state_accuracy"], row["state_accuracy_interval"]
            cells.append(f"{f'{share:.1%} ({low:.1%}-{high:.1%})':>24}")
        lines.append(f"{case['checkpoint']:<{width}}" + "".join(cells))
    return "\n".join(lines)


def main(config: LongAblationConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(LongAblationConfig, description=__doc__))
