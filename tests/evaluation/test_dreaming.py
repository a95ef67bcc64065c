"""Open-loop dreams."""

from dataclasses import replace

import numpy as np
import pytest

from wm_gym.decoder.guidance import Guidance
from wm_gym.evaluation.config import FidelityConfig
from wm_gym.evaluation.dreaming import dream_long, dream_rollouts, stack_clips, step_arguments_of
from wm_gym.evaluation.rollouts import RealRollout, collect_long_rollout
from wm_gym.evaluation.twin import Env
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel


def test_dream_is_as_long_as_its_rollout(
    random_model: WorldModel, explored: list[RealRollout], solved: RealRollout
) -> None:
    rollouts = [explored[0], solved]
    dreams = dream_rollouts(random_model, rollouts, sampling=StepArguments(), on_step=int)
    assert [dream.observations.shape for dream in dreams] == [real.observations[1:].shape for real in rollouts]
    assert [len(dream.rewards) for dream in dreams] == [len(dream.terminated) for dream in dreams]
    assert [len(dream.rewards) for dream in dreams] == [real.num_steps for real in rollouts]


def test_dream_equals_the_models_own_steps(random_model: WorldModel, explored: list[RealRollout]) -> None:
    real = explored[0]
    (dream,) = dream_rollouts(random_model, [real], sampling=StepArguments(temperature=0.0), on_step=int)
    state = random_model.reset(real.observations[:1], seeds=[real.seed])
    for step, action in enumerate(real.actions):
        state, output = random_model.step(state, [action], temperature=0.0)
        np.testing.assert_array_equal(dream.observations[step], output.frames[0].numpy())


def test_every_step_is_told(random_model: WorldModel, explored: list[RealRollout]) -> None:
    told: list[int] = []
    dream_rollouts(random_model, explored[:2], sampling=StepArguments(), on_step=lambda: told.append(1))
    assert len(told) == explored[0].num_steps


def test_long_dream_yields_the_kept_steps(random_model: WorldModel, twin_env: Env, explored: list[RealRollout]) -> None:
    kept = (2, 16)
    long = collect_long_rollout(twin_env, explored[0].policy, seed=explored[0].seed, num_steps=20, keep=kept)
    (dream,) = dream_rollouts(random_model, explored[:1], sampling=StepArguments(), on_step=int)
    chunks = dict(dream_long(random_model, [long], sampling=StepArguments(), on_step=int))
    assert tuple(chunks) == kept
    for step, chunk in chunks.items():
        np.testing.assert_array_equal(chunk[0], dream.observations[step - 1])


def test_short_clip_stands_still_before_its_first_frame() -> None:
    frames = np.arange(4, dtype=np.uint8)[:, None, None, None]
    stacked = stack_clips([frames, frames[:1], frames[1:3]], 3)
    assert stacked[..., 0, 0, 0].tolist() == [[1, 2, 3], [0, 0, 0], [1, 1, 2]]


def test_dream_begins_after_the_clip(
    moving_model: WorldModel, random_model: WorldModel, explored: list[RealRollout]
) -> None:
    later = replace(explored[0], clip=explored[0].observations[:1, 0], observations=explored[0].observations)
    led = replace(later, clip=explored[1].observations[3:5, 0])
    seen = {}
    for model in (moving_model, random_model):
        dreams = dream_rollouts(model, [later, led], sampling=StepArguments(temperature=0.0), on_step=int)
        seen[model.kept_frames] = [dream.observations[0] for dream in dreams]
    state = moving_model.reset(led.clip[None], seeds=[led.seed])
    _, output = moving_model.step(state, [led.actions[0]], temperature=0.0)
    np.testing.assert_array_equal(seen[2][1], output.frames[0].numpy())
    assert set(seen) == {1, 2}


def test_dreams_are_guided_as_the_evaluation_says(random_model: WorldModel, explored: list[RealRollout]) -> None:
    config = FidelityConfig(guidance_scale=3.0, state_guidance_scale=0.5, temperature=0.0)
    (dream,) = dream_rollouts(random_model, explored[:1], sampling=step_arguments_of(config), on_step=int)
    state = random_model.reset(stack_clips([explored[0].clip], random_model.kept_frames), seeds=[explored[0].seed])
    guidance = Guidance(action_scale=3.0, state_scale=0.5)
    _, guided = random_model.step(state, [explored[0].actions[0]], temperature=0.0, guidance=guidance)
    _, plain = random_model.step(state, [explored[0].actions[0]], temperature=0.0)
    np.testing.assert_array_equal(dream.observations[0], guided.frames[0].numpy())
    assert (guided.frames != plain.frames).any()


@pytest.mark.parametrize("scale", [-1.0, float("nan")])
def test_a_guidance_scale_out_of_range_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="guidance_scale must be a finite number and at least 0"):
        StepArguments(guidance_scale=scale)


def test_a_dream_is_told_what_happened(random_model: WorldModel, explored: list[RealRollout]) -> None:
    plain = explored[0]
    eventful = replace(plain, world_events=("", "it rains", *[""] * (plain.num_steps - 2)))
    one, other = (
        dream_rollouts(random_model, [each], sampling=StepArguments(temperature=0.0), on_step=int)[0].observations
        for each in (plain, eventful)
    )
    np.testing.assert_array_equal(one[0], other[0])
    assert (one[1] != other[1]).any()
