"""What every part of the suite works with: a model, one world's twin, and what to run."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from wm_gym.actions import Action
from wm_gym.evaluation.config import FollowingConfig, ResolvedConfig
from wm_gym.evaluation.dreaming import dream_steps, stack_clips, step_arguments_of
from wm_gym.evaluation.long.config import LongConfig
from wm_gym.evaluation.rollouts import Lead
from wm_gym.evaluation.speech import Speech
from wm_gym.evaluation.twin import Env
from wm_gym.evaluation.world_plans import PLANS
from wm_gym.world_card import WorldCard
from wm_gym.world_model import WorldModel

Clips = Sequence[UInt8[np.ndarray, "_ height width 3"]]


@dataclass(frozen=True, kw_only=True, eq=False)
class DreamedStep:
    """What a batch of worlds answered to one step.

    Attributes:
        frames: The last frame of each chunk.
        rewards: Of the step.
        terminated: Whether the model called it the end.
    """

    frames: UInt8[np.ndarray, "worlds height width 3"]
    rewards: Float32[np.ndarray, " worlds"]
    terminated: Bool[np.ndarray, " worlds"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One world of one run.

    Attributes:
        model: The world model.
        env: The world's twin.
        config: World, twin, policies, sampling, seed.
        long: What of the suite to run.
        following: How the inverse dynamics learns, where it judges.
        on_step: Called after each step of a batch.
        say: Told what is being done.
    """

    model: WorldModel
    env: Env
    config: ResolvedConfig
    long: LongConfig
    following: FollowingConfig = field(default_factory=FollowingConfig)
    on_step: Callable[[], object] = int
    say: Callable[[str], object] = str

    @property
    def card(self) -> WorldCard:
        """What the checkpoint says of the world."""
        return self.model.card.worlds[self.config.world]

    @property
    def policy(self) -> str:
        """Who walks for long: one that ends no episode where there is one, or else the recordings' own."""
        plan = PLANS.get(self.config.world)
        return self.config.drift_policy or (plan.mixed if plan else self.config.policies[0])

    @property
    def lead(self) -> Lead:
        """What goes before a dream."""
        return Lead(steps=self.config.lead_steps, clip_frames=self.model.kept_frames)

    @property
    def speech(self) -> Speech:
        """Says the twin's actions in words that the checkpoint knows."""
        return Speech(self.env, self.card)

    def dream(self, clips: Clips, seeds: Sequence[int], actions: Sequence[Sequence[Action]]) -> Iterator[DreamedStep]:
        """Dreams a batch open loop, step by step."""
        sampling = step_arguments_of(self.config)
        starts = stack_clips(list(clips), self.model.kept_frames)
        for output in dream_steps(self.model, starts, list(seeds), actions, sampling):
            self.on_step()
            yield DreamedStep(
                frames=output.frames[:, -1].cpu().numpy(),
                rewards=output.reward.float().cpu().numpy(),
                terminated=output.terminated.cpu().numpy(),
            )

    def dream_frames(
        self, clips: Clips, seeds: Sequence[int], actions: Sequence[Sequence[Action]]
    ) -> UInt8[np.ndarray, "worlds steps height width 3"]:
        """Dreams worlds open loop, a batch at a time, and keeps every frame."""
        size, batches = self.config.batch_size, []
        for first in range(0, len(clips), size):
            rows = slice(first, first + size)
            steps = self.dream(clips[rows], seeds[rows], actions[rows])
            batches.append(np.stack([each.frames for each in steps], axis=1))
        return np.concatenate(batches)
