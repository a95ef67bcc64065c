"""What `policies.ppo` trains, where, and how it is judged."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from wm_gym.training.finetune_config import finetune_loop
from wm_gym.training.loop_config import LoopConfig


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """What to train, where, and how to judge it.

    Attributes:
        output: folder of checkpoints, progress and result.
        env: "dream" trains in the learned world alone, "real" in the real twin.
        world: its name.
        checkpoint: of the learned world; None takes the shipped one.
        layouts: kinds of layouts to start from, to record and to evaluate, for twins that have them.
        starts: recorded datasets whose episodes training starts within, at any step; none takes the checkpoint's start
            observations (dream) or the twin's own resets (real). Only their pictures are used, never their actions.
        num_starts: starts drawn from them.
        curriculum: start a step before recorded successes, and further away each time that this share of episodes
            succeeds; None starts at any step from the beginning.
        steps: env steps in all.
        num_envs: worlds side by side.
        horizon: steps of an episode while training.
        temperature: scale of the dream's noise; None takes the checkpoint's.
        max_uncertainty: end a dream above it; None never does.
        sample_outcomes: draw a dream's rewards and ends from their probabilities, instead of taking their medians.
        rollout_steps: steps of each world between updates.
        batch_size: samples of a gradient step.
        epochs: passes over a rollout.
        learning_rate: at the start; it falls linearly to a tenth.
        reward_scale: what the learner's rewards are multiplied by, so that its values stay near 1; returns in reports
            are not.
        gamma: discount. It is what makes short ways better: rewards here do not decay.
        gae_lambda: of the advantage.
        entropy: weight of the entropy bonus.
        seed: of the network, the actions and the worlds.
        initial: a policy to begin from (an SB3 zip, such as a cloned one); None begins from nothing.
        checkpoint_steps: steps between checkpoints, each of which is watched in the real twin.
        episodes: real episodes of the result, for each layout.
        watch_episodes: real episodes of each watch, for each layout.
        real_horizon: steps of a real episode.
        success_return: an episode with at least this return is a success.
        tensorboard: folder of TensorBoard logs; None writes none.
        device: where the dream runs and is fine-tuned, as torch names it.
        refresh: rounds of playing the real twin, fine-tuning the dream on that and dreaming on, evenly over `steps`; 0
            never leaves the frozen dream. See `policies.ppo_refresh`.
        real_steps: real steps of all rounds together, at most; those of evaluations, which teach nobody, do not count.
        replay: recordings that each fine-tuning also trains on, so that they are not forgotten; none takes `starts`.
        lora_rank: rank of the fine-tunings' low-rank updates; 0 trains every weight.
        finetune: how each fine-tuning trains.

    Raises:
        ValueError: `reward_scale` is out of its range.
    """

    output: Path
    env: Literal["dream", "real"] = "dream"
    world: str = "minigrid"
    checkpoint: str | None = None
    layouts: tuple[str, ...] = ("empty", "doorkey")
    starts: tuple[Path, ...] = ()
    num_starts: int = 8192
    curriculum: float | None = 0.8
    steps: int = 800_000
    num_envs: int = 64
    horizon: int = 48
    temperature: float | None = None
    max_uncertainty: float | None = None
    sample_outcomes: bool = False
    rollout_steps: int = 32
    batch_size: int = 256
    epochs: int = 6
    learning_rate: float = 5e-4
    reward_scale: float = 1.0
    gamma: float = 0.97
    gae_lambda: float = 0.95
    entropy: float = 0.01
    seed: int = 0
    initial: Path | None = None
    checkpoint_steps: int = 20_480
    episodes: int = 100
    watch_episodes: int = 25
    real_horizon: int = 256
    success_return: float = 0.5
    tensorboard: Path | None = None
    device: str = "cpu"
    refresh: int = 0
    real_steps: int = 20_000
    replay: tuple[Path, ...] = ()
    lora_rank: int = 0
    finetune: LoopConfig = field(default_factory=finetune_loop)

    def __post_init__(self) -> None:
        if not 0 < self.reward_scale < math.inf:
            raise ValueError(f"reward_scale must be above 0 and finite, got {self.reward_scale}")
