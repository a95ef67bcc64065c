"""Fidelity by horizon: the learned world dreams held-out episodes open loop and is compared with the real twin.

The yardstick is the true state, read off the generated frames by the twin's reader, which is first checked on the real
frames of the very same rollouts. Recordings stand in for a twin that is not at hand: then frames alone are compared.
Frames are held for one batch of rollouts at a time.
"""

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from wm_gym.evaluation.config import FidelityConfig, ResolvedConfig
from wm_gym.evaluation.dreaming import Dream, dream_rollouts, step_arguments_of
from wm_gym.evaluation.drift import measure_drift
from wm_gym.evaluation.provenance import machine
from wm_gym.evaluation.report import FidelityReport
from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.scoring import (
    Example,
    Failure,
    FailureStrip,
    RolloutScore,
    cut_example,
    cut_strip,
    first_failure,
    score_rollout,
)
from wm_gym.evaluation.sources import RecordedRollouts, RolloutSource, TwinRollouts
from wm_gym.evaluation.states import ReaderCounts, StateReader, check_reader, reader_of
from wm_gym.evaluation.twin import Env, make_twin
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel


def evaluate_fidelity(config: FidelityConfig, progress: bool = True) -> FidelityReport:
    """Measures a checkpoint against its real twin, or against recordings.

    Args:
        config: What to run.
        progress: Whether to draw a progress bar on stderr.

    Returns:
        The report. At one seed, device, dtype and batch size all of it but the wall time is reproducible.

    Raises:
        ValueError: There is no such checkpoint, world, twin, policy or recording.
        gymnasium.error.DependencyNotInstalled: The twin's simulator is missing.
        ReaderError: The twin misreads its own frames.
    """
    return evaluate_model(WorldModel.from_pretrained(config.checkpoint, device=config.device), config, progress)


def evaluate_model(model: WorldModel, config: FidelityConfig, progress: bool = True) -> FidelityReport:
    """Measures a model in memory as `evaluate_fidelity` does; `config.checkpoint` only names it in the report."""
    resolved = config.resolve(model.card)
    if resolved.recordings:
        return _evaluate(model, resolved, RecordedRollouts.open(model, resolved), None, progress)
    env = make_twin(resolved.twin, split=resolved.split)
    try:
        return _evaluate(model, resolved, TwinRollouts(env, model, resolved), env, progress)
    finally:
        env.close()


def _evaluate(
    model: WorldModel, config: ResolvedConfig, source: RolloutSource, env: Env | None, progress: bool
) -> FidelityReport:
    begin = time.perf_counter()
    sampling = step_arguments_of(config)
    world = model.card.worlds[config.world]
    tally = _Tally(
        config=config,
        reader=reader_of(env, config.world) if env else None,
        reward_threshold=max(abs(bound) for bound in world.reward_range) / 2,
    )
    num_steps = _num_batch_steps(config, len(source))
    with tqdm(total=num_steps, desc=config.world, unit="step", disable=not progress) as bar:
        for first in range(0, len(source), config.batch_size):
            rollouts = [source[index] for index in range(first, min(first + config.batch_size, len(source)))]
            tally.check_reader(rollouts)
            dreams = dream_rollouts(model, rollouts, sampling=sampling, on_step=bar.update)
            tally.score(first, rollouts, dreams)
            bar.set_postfix_str(tally.headline())
        drift = measure_drift(model, env, config, sampling=sampling, on_step=bar.update) if env else {}
    return FidelityReport(
        config=config,
        scores=tuple(tally.scores),
        failures=tuple(tally.failures),
        strips=tuple(tally.strips),
        example=tally.example,
        drift=drift,
        reader=tally.reader_counts,
        distinct_starts=len(tally.starts),
        provenance=provenance(model, sampling) | {"wall_seconds": time.perf_counter() - begin},
    )


@dataclass(kw_only=True)
class _Tally:
    """What is kept of the batches scored so far."""

    config: ResolvedConfig
    reader: StateReader | None
    reward_threshold: float
    scores: list[RolloutScore] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    strips: list[FailureStrip] = field(default_factory=list)
    starts: set[int] = field(default_factory=set)  # checksums of the start observations
    example: Example | None = None
    reader_counts: ReaderCounts = field(default_factory=ReaderCounts)

    def check_reader(self, rollouts: Sequence[RealRollout]) -> None:
        """Reads the real frames of a batch."""
        if self.reader is not None:
            for rollout in rollouts:
                self.reader_counts += check_reader(self.reader, rollout)

    def score(self, first: int, rollouts: Sequence[RealRollout], dreams: Sequence[Dream]) -> None:
        """Scores a batch whose first rollout has the index `first`."""
        for index, (real, dream) in enumerate(zip(rollouts, dreams, strict=True), start=first):
            score = score_rollout(
                real,
                dream,
                reader=self.reader,
                horizons=self.config.horizons,
                reward_threshold=self.reward_threshold,
            )
            self.scores.append(score)
            self.starts.add(zlib.crc32(real.observations[0].tobytes()))
            if self.example is None or real.num_steps > self.example.num_steps:
                self.example = cut_example(real, dream.observations, self.config.horizons)
            if (failure := first_failure(index, real, score)) is not None:
                self.failures.append(failure)
                if len(self.strips) < self.config.failure_strips:
                    self.strips.append(cut_strip(failure, real, dream.observations))

    def headline(self) -> str:
        """Returns how many rollouts there are so far and, where states can be read, the share right to their end."""
        if self.reader is None:
            return f"{len(self.scores)} rollouts"
        return f"right to the end {1 - len(self.failures) / len(self.scores):.1%} of {len(self.scores)}"


def _num_batch_steps(config: FidelityConfig, num_rollouts: int) -> int:
    """Returns the model's steps in all; a batch that ends early takes fewer."""
    short = -(-num_rollouts // config.batch_size) * config.horizon
    return short + -(-config.drift_rollouts // config.batch_size) * config.drift_steps


def provenance(model: WorldModel, sampling: StepArguments) -> dict[str, Any]:
    """Says which weights ran, how they were sampled, and on what machine."""
    card = model.card
    return {
        "weights_hash": card.weights_hash,
        "num_denoising_steps": sampling.num_denoising_steps or card.num_denoising_steps,
        "temperature": card.temperature if sampling.temperature is None else sampling.temperature,
        "guidance_scale": sampling.guidance_scale,
        "state_guidance_scale": sampling.state_guidance_scale,
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        **machine(next(model.parameters()).device),
    }
