"""How right the world is at each number of denoising steps: the same rollouts, dreamed with 1, 2, 4 and 8.

Starts, actions and seeds are the same at each, so that the differences are the sampler's. Fidelity's yardstick: the
whole state, open loop, on layouts that training never starts from.

    python -m benchmarks.step_quality --rollouts 1000
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from benchmarks.report import write_report
from wm_gym.evaluation.config import FidelityConfig
from wm_gym.evaluation.fidelity import evaluate_model, provenance
from wm_gym.evaluation.report import FidelityReport
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel

RESULTS = Path(__file__).parent / "results" / "step_quality.json"


@dataclass(frozen=True, kw_only=True)
class StepQualityConfig:
    """What to measure.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        world: Which of its worlds; None where it has one.
        denoising_steps: Numbers of decoder calls per chunk; the last is what the others are compared with.
        rollouts: Rollouts at each of them.
        horizon: The step at which states are compared.
        seed: Of the rollouts; none of the evaluation's by default.
        batch_size: Worlds dreamed at once.
        device: Where the model runs, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    world: str | None = None
    denoising_steps: tuple[int, ...] = (1, 2, 4, 8)
    rollouts: int = 1000
    horizon: int = 16
    seed: int = 60_000
    batch_size: int = 64
    device: str = "cpu"
    threads: int | None = None
    output: Path = RESULTS


def measure(config: StepQualityConfig) -> dict[str, Any]:
    """Dreams the rollouts at each number of denoising steps.

    Returns:
        The results as JSON values.

    Raises:
        ValueError: No number of denoising steps.
    """
    if not config.denoising_steps:
        raise ValueError("denoising_steps must name at least one number, got none")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    model = WorldModel.from_pretrained(config.checkpoint, device=config.device)
    reports = {steps: _evaluate(model, config, steps) for steps in config.denoising_steps}
    reference = _right(reports[config.denoising_steps[-1]], config.horizon)
    return {
        "checkpoint": config.checkpoint,
        **provenance(model, StepArguments()),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "cases": [summarise(report, reference, config.horizon) for report in reports.values()],
    }


def _evaluate(model: WorldModel, config: StepQualityConfig, num_denoising_steps: int) -> FidelityReport:
    fidelity = FidelityConfig(
        checkpoint=config.checkpoint,
        world=config.world,
        rollouts=config.rollouts,
        horizon=config.horizon,
        seed=config.seed,
        batch_size=config.batch_size,
        num_denoising_steps=num_denoising_steps,
        device=config.device,
        failure_strips=0,
    )
    return evaluate_model(model, fidelity)


def _right(report: FidelityReport, horizon: int) -> np.ndarray:
    """Whether each rollout that reaches the horizon is right there, in the rollouts' order."""
    return np.asarray([score.exact[horizon - 1] for score in report.scores if len(score.exact) >= horizon], dtype=bool)


def summarise(report: FidelityReport, reference: np.ndarray, horizon: int) -> dict[str, Any]:
    """Returns a row: the share that is right, and how it differs from the reference rollout by rollout.

    Args:
        report: Of the same rollouts as the reference.
        reference: Whether each is right at the horizon with the most denoising steps.
        horizon: The step compared.
    """
    right, curve = _right(report, horizon), report.state_curve
    return {
        "num_denoising_steps": report.config.num_denoising_steps,
        "n": len(right),
        "state_accuracy": float(curve.share[horizon - 1]),
        "interval": [float(curve.lower[horizon - 1]), float(curve.upper[horizon - 1])],
        "right_here_alone": int((right & ~reference).sum()),
        "right_there_alone": int((~right & reference).sum()),
        "psnr": float(report.psnr[horizon - 1]),
        "wall_seconds": report.provenance["wall_seconds"],
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    horizon, most = results["config"]["horizon"], results["cases"][-1]
    lines = [
        f"{results['checkpoint']}: whole state right at step {horizon}, of {most['n']} rollouts that last so long",
        f"{'denoising':>10}{'right':>8}{'95 % interval':>17}{'points from ' + str(most['num_denoising_steps']):>16}"
        f"{'gained':>8}{'lost':>6}{'PSNR':>7}",
    ]
    for case in results["cases"]:
        low, high = case["interval"]
        points = 100 * (case["state_accuracy"] - most["state_accuracy"])
        lines.append(
            f"{case['num_denoising_steps']:10}{case['state_accuracy']:8.1%}"
            f"{f'{low:.1%} to {high:.1%}':>17}{points:16.2f}"
            f"{case['right_here_alone']:8}{case['right_there_alone']:6}{case['psnr']:7.1f}"
        )
    return "\n".join(lines)


def main(config: StepQualityConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(StepQualityConfig, description=__doc__))
