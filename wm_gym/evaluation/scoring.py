"""Scores a dream against the real rollout it imitates: one row of numbers a step, and where it first went wrong."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from wm_gym.evaluation.confusion import Confusion
from wm_gym.evaluation.dreaming import Dream
from wm_gym.evaluation.events import EventCounts, count_rewards, count_terminations, reward_signs
from wm_gym.evaluation.pixels import squared_errors, ssim
from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.speech import label
from wm_gym.evaluation.states import Matches, StateReader, whole_state

_STRIP_BEFORE = 3  # frames of a failure strip before the first wrong one
_STRIP_AFTER = 4  # and after it
_NOTHING = np.zeros(0, dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Where a dream's state first differs from the true one.

    Attributes:
        rollout: Its index.
        seed: Of the twin's reset.
        policy: Who acted.
        step: Counted from 1.
        action: The text of that step.
        factors: What differs.
    """

    rollout: int
    seed: int
    policy: str
    step: int
    action: str
    factors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class FailureStrip:
    """The frames around a failure, for a person to look at.

    Attributes:
        failure: What went wrong.
        first_step: The step of the first frame; 0 is the start.
        actions: The text that led to each frame; "start" for the start.
        real: The twin's frames.
        dream: The model's, under the same texts.
    """

    failure: Failure
    first_step: int
    actions: tuple[str, ...]
    real: UInt8[np.ndarray, "time height width channel"]
    dream: UInt8[np.ndarray, "time height width channel"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """A few frames of a rollout and of its dream, for a contact sheet.

    Attributes:
        num_steps: Steps of the rollout.
        steps: The steps shown; 0 is the start.
        real: The twin's frames.
        dream: The model's, under the same actions.
    """

    num_steps: int
    steps: tuple[int, ...]
    real: UInt8[np.ndarray, "time height width channel"]
    dream: UInt8[np.ndarray, "time height width channel"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RolloutScore:
    """A dream's score, step by step. "Baseline" is the start observation held for ever.

    Attributes:
        seed: Of the twin's reset.
        policy: Who acted.
        actions: The text of each step, or "numbers".
        exact: Whether the whole state is right; nothing where the twin's states cannot be read.
        factors: The same by factor.
        baseline_exact: Whether the start state is right.
        squared_error: Mean squared error of each chunk, in squared 8-bit levels.
        baseline_squared_error: The baseline's.
        ssim: By horizon, for those that the rollout reaches.
        baseline_ssim: The baseline's.
        dreamed_rewards: The reward of each step of the dream.
        true_rewards: The twin's.
        rewards: Reward events, exact step.
        terminations: Ends, exact step.
        reward_classes: Losses, nothing and gains, in this order, by step.
        termination_classes: Running and ended, by step.
        termination_error: Squared error of the probability of an end.
        uncertainty: The model's own.
    """

    seed: int
    policy: str
    actions: tuple[str, ...]
    exact: Bool[np.ndarray, " read"]
    factors: dict[str, Bool[np.ndarray, " read"]]
    baseline_exact: Bool[np.ndarray, " read"]
    squared_error: Float[np.ndarray, " time"]
    baseline_squared_error: Float[np.ndarray, " time"]
    ssim: dict[int, float]
    baseline_ssim: dict[int, float]
    dreamed_rewards: Float32[np.ndarray, " time"]
    true_rewards: Float32[np.ndarray, " time"]
    rewards: EventCounts
    terminations: EventCounts
    reward_classes: Confusion
    termination_classes: Confusion
    termination_error: Float[np.ndarray, " time"]
    uncertainty: Float32[np.ndarray, " time"]

    @property
    def num_steps(self) -> int:
        """Steps of the real rollout."""
        return len(self.actions)


def score_rollout(
    real: RealRollout,
    dream: Dream,
    *,
    reader: StateReader | None,
    horizons: tuple[int, ...],
    reward_threshold: float,
) -> RolloutScore:
    """Scores a dream.

    Args:
        real: What the twin did, T steps.
        dream: What the model answered to the same actions.
        reader: Reads states off frames, where the twin can.
        horizons: The steps, counted from 1, whose SSIM to take: it is slow.
        reward_threshold: From which size on a reward counts as an event.

    Returns:
        The score.
    """
    observations, rewards, terminated = dream.observations, dream.rewards, dream.terminated
    factors, baseline = _match(real, observations, reader)
    start, true_observations = real.observations[:1], real.observations[1:]
    reached = [step for step in horizons if step <= real.num_steps]
    return RolloutScore(
        seed=real.seed,
        policy=real.policy,
        actions=tuple(label(action) for action in real.actions),
        exact=whole_state(factors) if reader else _NOTHING,
        factors=factors,
        baseline_exact=whole_state(baseline) if reader else _NOTHING,
        squared_error=squared_errors(observations, true_observations),
        baseline_squared_error=squared_errors(true_observations, start),
        ssim={step: ssim(observations[step - 1], true_observations[step - 1]) for step in reached},
        baseline_ssim={step: ssim(start[0], true_observations[step - 1]) for step in reached},
        dreamed_rewards=rewards,
        true_rewards=real.rewards,
        rewards=count_rewards(rewards, real.rewards, threshold=reward_threshold),
        terminations=count_terminations(terminated, real.terminated),
        reward_classes=Confusion.of(
            1 + reward_signs(rewards, reward_threshold), 1 + reward_signs(real.rewards, reward_threshold), num_classes=3
        ),
        termination_classes=Confusion.of(terminated.astype(int), real.terminated.astype(int), num_classes=2),
        termination_error=np.square(dream.termination_probabilities.astype(np.float64) - real.terminated),
        uncertainty=dream.uncertainties,
    )


def _match(
    real: RealRollout, observations: UInt8[np.ndarray, "time frames height width channel"], reader: StateReader | None
) -> tuple[Matches, Matches]:
    """Which factors are right in a dream, and which would be had the start stood still; nothing without a reader."""
    if reader is None:
        return {}, {}
    true_states = real.states[1:]
    dreamed = reader.match(reader.read(observations), true_states)
    return dreamed, reader.match([real.states[0]] * real.num_steps, true_states)


def first_failure(index: int, real: RealRollout, score: RolloutScore) -> Failure | None:
    """Returns where the rollout's dream first went wrong, or None where it never did."""
    if score.exact.all():  # also where there is nothing to be right
        return None
    wrong = int(np.argmin(score.exact))
    return Failure(
        rollout=index,
        seed=real.seed,
        policy=real.policy,
        step=wrong + 1,
        action=score.actions[wrong],
        factors=tuple(name for name, matches in score.factors.items() if not matches[wrong]),
    )


def cut_strip(
    failure: Failure, real: RealRollout, observations: UInt8[np.ndarray, "time frames height width channel"]
) -> FailureStrip:
    """Cuts the last frame of each chunk around a failure out of the rollout and its dream."""
    first = max(0, failure.step - _STRIP_BEFORE)
    last = min(real.num_steps, failure.step + _STRIP_AFTER)
    dreamed = np.concatenate([real.observations[:1], observations])  # step 0 is given
    return FailureStrip(
        failure=failure,
        first_step=first,
        actions=("start", *map(label, real.actions))[first : last + 1],
        real=real.observations[first : last + 1, -1].copy(),  # a copy frees the rollout
        dream=dreamed[first : last + 1, -1].copy(),
    )


def cut_example(
    real: RealRollout,
    observations: UInt8[np.ndarray, "time frames height width channel"],
    horizons: tuple[int, ...],
) -> Example:
    """Picks the start and the frames at the horizons that the rollout reaches."""
    steps = (0, *(step for step in horizons if step <= real.num_steps))
    dreamed = np.concatenate([real.observations[:1], observations])
    rows = list(steps)
    return Example(
        num_steps=real.num_steps, steps=steps, real=real.observations[rows, -1], dream=dreamed[rows, -1]
    )  # picking copies, which frees the rollout
