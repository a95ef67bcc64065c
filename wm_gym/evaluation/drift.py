"""Drift: whether a world is still a world, and still the right one, after a thousand dreamed steps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from wm_gym.evaluation.config import ResolvedConfig
from wm_gym.evaluation.dreaming import dream_long
from wm_gym.evaluation.intervals import wilson_interval
from wm_gym.evaluation.rollouts import Lead, LongRollout, collect_long_rollout, rollout_seed
from wm_gym.evaluation.speech import Speech
from wm_gym.evaluation.states import StateReader, reader_of, whole_state
from wm_gym.evaluation.twin import Env, JudgingTwin, judging_twin
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel

_STREAM = 1  # of rollout_seed: long rollouts start elsewhere than the short ones


@dataclass(frozen=True, kw_only=True)
class DriftCounts:
    """Long rollouts counted at one step.

    Attributes:
        n: Rollouts.
        valid: Those whose state the start could have led to, by the twin's rule.
        exact: Those whose whole state is right.
    """

    n: int = 0
    valid: int = 0
    exact: int = 0

    def __add__(self, other: "DriftCounts") -> "DriftCounts":
        """Adds count by count."""
        return DriftCounts(n=self.n + other.n, valid=self.valid + other.valid, exact=self.exact + other.exact)

    def to_json(self) -> dict[str, float | int | list[float]]:
        """Returns shares, Wilson's 95 % interval of the valid share, and n."""
        return {
            "n": self.n,
            "valid": self.valid / self.n,
            "valid_interval": list(wilson_interval(self.valid, self.n)),
            "state_accuracy": self.exact / self.n,
        }


def count_drift(
    twin: JudgingTwin,
    reader: StateReader,
    rollouts: list[LongRollout],
    step: int,
    chunks: UInt8[np.ndarray, "batch frames height width channel"],
) -> DriftCounts:
    """Counts valid and right states among a batch's chunks after `step` steps."""
    states = reader.read(chunks)
    right = whole_state(reader.match(states, [rollout.states[step] for rollout in rollouts]))
    pairs = list(zip(rollouts, states, strict=True))
    return DriftCounts(
        n=len(pairs),
        valid=sum(bool(twin.is_valid(rollout.start_state, state)) for rollout, state in pairs),
        exact=int(right.sum()),
    )


def measure_drift(
    model: WorldModel, env: Env, config: ResolvedConfig, *, sampling: StepArguments, on_step: Callable[[], object]
) -> dict[int, DriftCounts]:
    """Dreams `config.drift_rollouts` long rollouts open loop and counts by step.

    Args:
        model: The world model.
        env: The twin, its time limit beyond `config.drift_steps`.
        config: How many, how long, who acts.
        sampling: How steps are drawn.
        on_step: Called after each step of a batch.

    Returns:
        The counts at each of `config.drift_horizons`; empty without long rollouts.

    Raises:
        ValueError: There are to be long rollouts, and the twin's states cannot be read, or its policy ends episodes.
    """
    counts: dict[int, DriftCounts] = {}
    if not config.drift_rollouts:
        return counts
    twin, reader = judging_twin(env), reader_of(env, config.world)
    assert reader is not None, "judging_twin raises before"
    for rollouts in _collect(model, env, config):
        for step, chunks in dream_long(model, rollouts, sampling=sampling, on_step=on_step):
            counts[step] = counts.get(step, DriftCounts()) + count_drift(twin, reader, rollouts, step, chunks)
    return counts


def _collect(model: WorldModel, env: Env, config: ResolvedConfig) -> Iterator[list[LongRollout]]:
    """Yields batches of long rollouts, their actions as the dream is told them."""
    assert config.drift_policy is not None, "checked by FidelityConfig.resolve"
    speech = Speech(env, model.card.worlds[config.world])
    lead = Lead(steps=config.lead_steps, clip_frames=model.kept_frames)
    for first in range(0, config.drift_rollouts, config.batch_size):
        rollouts = [
            collect_long_rollout(
                env,
                config.drift_policy,
                seed=rollout_seed(config.seed, index, stream=_STREAM),
                num_steps=config.drift_steps,
                keep=config.drift_horizons,
                lead=lead,
            )
            for index in range(first, min(first + config.batch_size, config.drift_rollouts))
        ]
        yield [replace(each, actions=speech.translate(each.actions, seed=each.seed)) for each in rollouts]
