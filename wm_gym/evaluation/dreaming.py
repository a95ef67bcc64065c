"""Open-loop dreams: the learned world under the actions of real rollouts, from the frames before them alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8

from wm_gym.actions import Action
from wm_gym.evaluation.config import FidelityConfig
from wm_gym.evaluation.rollouts import LongRollout, RealRollout
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import StepOutput, WorldModel

NO_ACTION = ""  # what a world is told once its real episode is over, to keep the batch's shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Dream:
    """What the world model answered to the T actions of a real rollout.

    Attributes:
        observations: The chunk after each step: the first observation is not among them.
        rewards: The reward of each step.
        terminated: Whether the model called the episode over. A dream goes on after that for as long as the real
            rollout does.
        termination_probabilities: In [0, 1].
        uncertainties: How far each step's frame is from what the decoder drew, see `StepOutput`.
    """

    observations: UInt8[np.ndarray, "time frames height width channel"]
    rewards: Float32[np.ndarray, " time"]
    terminated: Bool[np.ndarray, " time"]
    termination_probabilities: Float32[np.ndarray, " time"]
    uncertainties: Float32[np.ndarray, " time"]


def step_arguments_of(config: FidelityConfig) -> StepArguments:
    """How an evaluation was told to draw steps."""
    return StepArguments(
        num_denoising_steps=config.num_denoising_steps,
        temperature=config.temperature,
        guidance_scale=config.guidance_scale,
        state_guidance_scale=config.state_guidance_scale,
    )


def dream_rollouts(
    model: WorldModel, rollouts: Sequence[RealRollout], *, sampling: StepArguments, on_step: Callable[[], object]
) -> list[Dream]:
    """Dreams a batch of real rollouts open loop.

    Args:
        model: The world model.
        rollouts: Any lengths; each dream is as long as its rollout, and its seed is the rollout's.
        sampling: How steps are drawn.
        on_step: Called after each step of the batch.

    Returns:
        A dream for each rollout, in order.
    """
    longest = max(rollout.num_steps for rollout in rollouts)
    actions = [rollout.actions + (NO_ACTION,) * (longest - rollout.num_steps) for rollout in rollouts]
    starts = stack_clips([rollout.clip for rollout in rollouts], model.kept_frames)
    nothing = ("",) * longest
    events = [(rollout.world_events + nothing)[:longest] for rollout in rollouts]
    outputs: list[StepOutput] = []
    for output in dream_steps(model, starts, [rollout.seed for rollout in rollouts], actions, sampling, events):
        outputs.append(replace(output, frames=output.frames.cpu()))  # all of them are too many for a GPU
        on_step()
    return collect_dreams(outputs, rollouts)


def collect_dreams(outputs: Sequence[StepOutput], rollouts: Sequence[RealRollout]) -> list[Dream]:
    """Splits what a batch of rollouts got, step by step, into the dream of each, as long as its rollout."""
    frames = [output.frames.cpu().numpy() for output in outputs]
    rewards = np.stack([output.reward.cpu().numpy() for output in outputs])
    terminated = np.stack([output.terminated.cpu().numpy() for output in outputs])
    probabilities = np.stack([output.termination_probability.cpu().numpy() for output in outputs])
    uncertainties = np.stack([output.uncertainty.cpu().numpy() for output in outputs])
    return [
        Dream(
            observations=np.stack([chunks[row] for chunks in frames[: rollout.num_steps]]),
            rewards=rewards[: rollout.num_steps, row],
            terminated=terminated[: rollout.num_steps, row],
            termination_probabilities=probabilities[: rollout.num_steps, row],
            uncertainties=uncertainties[: rollout.num_steps, row],
        )
        for row, rollout in enumerate(rollouts)
    ]


def dream_long(
    model: WorldModel, rollouts: Sequence[LongRollout], *, sampling: StepArguments, on_step: Callable[[], object]
) -> Iterator[tuple[int, UInt8[np.ndarray, "batch frames height width channel"]]]:
    """Dreams a batch of long rollouts and yields the chunks at the steps that they kept, so that memory stays flat.

    Args:
        model: The world model.
        rollouts: All of one length, with the same kept steps.
        sampling: How steps are drawn.
        on_step: Called after each step of the batch.

    Yields:
        The step, counted from 1, and the batch's chunks after it.
    """
    starts = stack_clips([rollout.clip for rollout in rollouts], model.kept_frames)
    actions = [rollout.actions for rollout in rollouts]
    outputs = dream_steps(model, starts, [rollout.seed for rollout in rollouts], actions, sampling)
    for step, output in enumerate(outputs, start=1):
        on_step()
        if step in rollouts[0].states:
            yield step, output.frames.cpu().numpy()


def stack_clips(
    clips: Sequence[UInt8[np.ndarray, "_ height width channel"]], num_frames: int
) -> UInt8[np.ndarray, "batch frames height width channel"]:
    """The last frames of each clip; one that is shorter stands still before its first frame."""
    cut = [clip[-num_frames:] for clip in clips]
    return np.stack([np.concatenate([clip[:1].repeat(num_frames - len(clip), axis=0), clip]) for clip in cut])


def dream_steps(
    model: WorldModel,
    starts: UInt8[np.ndarray, "batch frames height width channel"],
    seeds: Sequence[int],
    actions: Sequence[Sequence[Action]],
    sampling: StepArguments,
    events: Sequence[Sequence[str]] | None = None,
) -> Iterator[StepOutput]:
    """Resets the model to `starts` and yields its answers, step by step, to the actions (and events) of each world."""
    with torch.inference_mode():
        state = model.reset(starts, seeds=seeds)
    for step, step_actions in enumerate(zip(*actions, strict=True)):
        with torch.inference_mode():
            state, output = model.step(
                state,
                list(step_actions),
                events=None if events is None else [each[step] for each in events],
                **sampling.keywords(),
            )
        yield output
