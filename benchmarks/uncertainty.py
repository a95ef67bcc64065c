"""Which measure of doubt tells errors: of the same dreams, three that a step could report.

"round trip" is the one that `info["uncertainty"]` holds: how far the drawn latents are from those of the frames that
they decode to. "seeds" is how far the latents of other noise are from them, and "flow" how far those of twice the
denoising steps are; each of these costs at least a second step. All are the largest over the cells of a picture, as
root mean squares over channels.

    python -m benchmarks.uncertainty --checkpoints minigrid carracing
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from benchmarks.report import write_report
from wm_gym.actions import Action
from wm_gym.evaluation.config import FidelityConfig
from wm_gym.evaluation.dreaming import NO_ACTION, Dream, collect_dreams, stack_clips
from wm_gym.evaluation.error_detection import detect_errors
from wm_gym.evaluation.provenance import machine
from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.scoring import RolloutScore, score_rollout
from wm_gym.evaluation.sources import TwinRollouts
from wm_gym.evaluation.states import reader_of
from wm_gym.evaluation.twin import make_twin
from wm_gym.world_model import StepOutput, WorldModel
from wm_gym.world_state import WorldState

RESULTS = Path(__file__).parent / "results" / "uncertainty.json"
MEASURES = ("round trip", "seeds", "flow")
_OTHER_NOISE = 2**40  # added to a world's seed


@dataclass(frozen=True, kw_only=True)
class UncertaintyConfig:
    """What to measure.

    Attributes:
        checkpoints: Shipped names or checkpoint folders, of one world each, whose twin reads states.
        rollouts: Of each.
        horizon: Longest rollout.
        seed: Of the rollouts.
        batch_size: Worlds dreamed at once.
        device: Where the models run, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        output: The JSON file.
    """

    checkpoints: Annotated[tuple[str, ...], tyro.conf.arg(metavar="CHECKPOINT")] = ("minigrid", "carracing")
    rollouts: int = 192
    horizon: int = 64
    seed: int = 90_000
    batch_size: int = 64
    device: str = "cpu"
    threads: int | None = None
    output: Path = RESULTS


@torch.inference_mode()
def step_doubting(
    model: WorldModel, state: WorldState, actions: Sequence[Action]
) -> tuple[WorldState, StepOutput, dict[str, Float[Tensor, "batch"]]]:
    """A step, and each measure of doubt of it."""
    after, output = model.step(state, actions)
    other, _ = model.step(state.reseed([seed + _OTHER_NOISE for seed in state.seeds.tolist()]), actions)
    finer, _ = model.step(state, actions, num_denoising_steps=2 * model.card.num_denoising_steps)
    frames = model.card.chunk_frames
    doubts = (output.uncertainty, _distance(after, other, frames), _distance(after, finer, frames))
    return after, output, dict(zip(MEASURES, doubts, strict=True))


def _distance(one: WorldState, other: WorldState, frames: int) -> Float[Tensor, "batch"]:
    """The largest root-mean-square difference of a cell of the last frames' latents."""
    return (one.latents - other.latents)[:, -frames:].pow(2).mean(dim=2).sqrt().amax(dim=(1, 2, 3))


def dream_doubting(model: WorldModel, rollouts: Sequence[RealRollout]) -> list[tuple[Dream, dict[str, np.ndarray]]]:
    """Dreams a batch open loop, with every measure of each step."""
    longest = max(rollout.num_steps for rollout in rollouts)
    with torch.inference_mode():
        starts = stack_clips([rollout.clip for rollout in rollouts], model.kept_frames)
        state = model.reset(starts, seeds=[rollout.seed for rollout in rollouts])
    outputs, doubts = [], []
    for step in range(longest):
        said = [each.actions[step] if step < each.num_steps else NO_ACTION for each in rollouts]
        state, output, measured = step_doubting(model, state, said)
        outputs.append(output)
        doubts.append(measured)
    told = [
        {
            name: np.array([float(each[name][row]) for each in doubts[: rollout.num_steps]], np.float32)
            for name in MEASURES
        }
        for row, rollout in enumerate(rollouts)
    ]
    return list(zip(collect_dreams(outputs, rollouts), told, strict=True))


def measure(checkpoint: str, config: UncertaintyConfig) -> dict[str, Any]:
    """What each measure tells of a checkpoint's errors.

    Raises:
        ValueError: There is no such checkpoint, it has several worlds, or nobody reads their states.
    """
    model = WorldModel.from_pretrained(checkpoint, device=config.device)
    asked = FidelityConfig(
        checkpoint=checkpoint,
        rollouts=config.rollouts,
        horizon=config.horizon,
        seed=config.seed,
        batch_size=config.batch_size,
    ).resolve(model.card)
    env = make_twin(asked.twin, split=asked.split)
    source, reader = TwinRollouts(env, model, asked), reader_of(env, asked.world)
    if reader is None:
        raise ValueError(f"checkpoints must be of worlds whose twin reads states, got {checkpoint}; leave it out")
    scores: dict[str, list[RolloutScore]] = {name: [] for name in MEASURES}
    for first in tqdm(range(0, len(source), config.batch_size), desc=checkpoint, unit="batch"):
        rollouts = [source[index] for index in range(first, min(first + config.batch_size, len(source)))]
        for real, (dream, told) in zip(rollouts, dream_doubting(model, rollouts), strict=True):
            score = score_rollout(real, dream, reader=reader, horizons=(1,), reward_threshold=1.0)
            for name in MEASURES:
                scores[name].append(replace(score, uncertainty=told[name]))
    env.close()
    found = {name: detect_errors(each) for name, each in scores.items()}
    return {
        "checkpoint": checkpoint,
        "weights_hash": model.card.weights_hash,
        "rollouts": len(source),
        "measures": {name: None if each is None else each.to_json() for name, each in found.items()},
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [f"{'AUROC':24}{'first error':>13}{'wrong, so far':>15}{'wrong, this step':>18}"]
    for case in results["cases"]:
        for name, found in case["measures"].items():
            numbers = [found[key] for key in ("first_error_auroc", "error_auroc", "step_auroc")]
            shown = ["-" if number is None else f"{number:.3f}" for number in numbers]
            lines.append(f"{case['checkpoint'] + ', ' + name:24}{shown[0]:>13}{shown[1]:>15}{shown[2]:>18}")
    return "\n".join(lines)


def main(config: UncertaintyConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    results = {
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "cases": [measure(checkpoint, config) for checkpoint in config.checkpoints],
        "machine": machine(config.device),
    }
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(UncertaintyConfig, description=__doc__))
