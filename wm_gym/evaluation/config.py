"""What an evaluation runs. Light on purpose: a command line can show its help without loading torch."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from wm_gym.evaluation.world_plans import PLANS
from wm_gym.world_card import ModelCard
from wm_gym.worlds import WORLDS

_REPORTED_HORIZONS = (1, 4, 16, 64)
_REPORTED_DRIFT_STEPS = (10, 100, 1000)


@dataclass(frozen=True, kw_only=True)
class FidelityConfig:
    """What to dream, against what, and how often.

    Attributes:
        checkpoint: A shipped name ("minigrid") or a checkpoint folder.
        world: Which of the checkpoint's worlds; None where it has one.
        rollouts: Number of open-loop rollouts, each from a held-out layout of its own; at least 1. Recordings give at
            most one an episode.
        horizon: Steps of each rollout; at least 1.
        seed: Every layout, policy and dream is a function of it.
        twin: Gymnasium id of the real twin, as for `gym.make`; None is the world's own.
        recordings: Dataset folders to take the real rollouts from, for a world without a twin. Let them hold episodes
            that were not trained on; frames are compared, for there is no true state. None takes the twin.
        split: The twin's layouts to start from; an episode on "train" never starts from one of "test".
        policies: Who acts in the twin, as "module:factory" of `(env, rng) -> (observation -> action)`. Rollout i takes
            number i modulo their count. None are the world's own; MiniGrid's are an explorer, who works keys, doors and
            boxes and never ends an episode, one at random, and an expert, who reaches goals.
        lead_steps: Steps, at least and at most, that the policy takes before a rollout begins; None are the world's.
            Recorded episodes that are not longer are left out.
        batch_size: Worlds dreamed at once.
        drift_rollouts: Number of long rollouts; 0 leaves the drift out.
        drift_steps: Steps of each long rollout.
        drift_policy: Who acts in the long rollouts. It must never end the episode. None is the world's own.
        num_denoising_steps: Decoder calls per chunk; None takes the checkpoint's own.
        temperature: Scale of the initial noise; None takes the checkpoint's own.
        guidance_scale: Classifier-free guidance on the action, for weights trained with `action_dropout`; 1 is off.
        state_guidance_scale: The same on the latent state, for weights trained with `state_dropout`.
        device: Where the world model runs, as torch names it.
        failure_strips: How many failures to keep as pictures.
    """

    checkpoint: str = "minigrid"
    world: str | None = None
    rollouts: int = 500
    horizon: int = 64
    seed: int = 0
    twin: str | None = None
    recordings: tuple[str, ...] | None = None
    split: str = "test"
    policies: tuple[str, ...] | None = None
    lead_steps: tuple[int, int] | None = None
    batch_size: int = 64
    drift_rollouts: int = 0
    drift_steps: int = 1000
    drift_policy: str | None = None
    num_denoising_steps: int | None = None
    temperature: float | None = None
    guidance_scale: float = 1.0
    state_guidance_scale: float = 1.0
    device: str = "cpu"
    failure_strips: int = 12

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ValueError: A count is out of range or there is no policy.
        """
        for name in ("rollouts", "horizon", "batch_size", "drift_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("seed", "drift_rollouts", "failure_strips"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.lead_steps is not None and not 0 <= self.lead_steps[0] <= self.lead_steps[1]:
            raise ValueError(f"lead_steps must be two numbers from 0 up, the smaller first, got {self.lead_steps}")
        if self.policies is not None and not self.policies and not self.recordings:
            raise ValueError(
                'policies must name at least one policy, got none; write one as "policies.minigrid:explorer"'
            )
        if self.recordings is not None:
            self._check_recordings(self.recordings)

    def _check_recordings(self, recordings: tuple[str, ...]) -> None:
        if not recordings:
            raise ValueError("recordings must name at least one dataset folder, got none")
        if len(set(map(Path, recordings))) < len(recordings):
            raise ValueError(f"recordings must name each folder once, got {recordings}")
        for name in ("twin", "policies", "drift_policy"):
            if value := getattr(self, name):
                raise ValueError(f"{name} must be left out where recordings stand in for the twin, got {value!r}")
        if self.drift_rollouts:
            raise ValueError(f"drift_rollouts must be 0 with recordings, got {self.drift_rollouts}: drift needs a twin")

    def resolve(self, card: ModelCard) -> "ResolvedConfig":
        """The config with everything filled in that a world decides.

        Args:
            card: The checkpoint's.

        Raises:
            ValueError: There is no such world, several and none named, or it is nobody's that is known here and the
                config does not name its twin and policies.
        """
        world = card.world(self.world)
        plan, known = PLANS.get(world), WORLDS.get(world)
        lead_steps = self.lead_steps or (plan.lead_steps if plan else (0, 0))
        if self.recordings:
            return self._resolved(world=world, twin="", policies=(), lead_steps=lead_steps)
        twin = self.twin or (known and known.twin)
        policies = self.policies or (plan and plan.policies)
        for name, value in (("twin", twin), ("policies", policies)):
            if not value:
                raise ValueError(
                    f"{name} must be named for {world!r}, which is none of {', '.join(PLANS)}, got none; "
                    "or name recordings of it"
                )
        drift_policy = self.drift_policy or (plan.drift_policy if plan else None)
        if self.drift_rollouts and drift_policy is None:
            raise ValueError(
                f"drift_policy must be named for the world {world!r}, got none: its own policies may end the episode"
            )
        return self._resolved(
            world=world, twin=twin, policies=policies, lead_steps=lead_steps, drift_policy=drift_policy
        )

    def _resolved(self, **values: Any) -> "ResolvedConfig":
        own = {field.name: getattr(self, field.name) for field in fields(FidelityConfig)}
        return ResolvedConfig(**own | values)

    def require_twin(self) -> None:
        """Refuses recordings, for what only a simulator can answer.

        Raises:
            ValueError: The config names some.
        """
        if self.recordings is not None:
            raise ValueError(f"recordings must be left out here, where a twin has to answer, got {self.recordings}")

    @property
    def horizons(self) -> tuple[int, ...]:
        """The horizons that the table shows: 1, 4, 16 and 64 up to the last step, and the last step."""
        return tuple(sorted({step for step in _REPORTED_HORIZONS if step <= self.horizon} | {self.horizon}))

    @property
    def drift_horizons(self) -> tuple[int, ...]:
        """The steps at which the drift is read: 10, 100 and 1,000 up to the last step, and the last step."""
        return tuple(sorted({step for step in _REPORTED_DRIFT_STEPS if step <= self.drift_steps} | {self.drift_steps}))


@dataclass(frozen=True, kw_only=True)
class ResolvedConfig(FidelityConfig):
    """A `FidelityConfig` that names its world, twin and policies; recordings in place of a twin leave both empty."""

    world: str
    twin: str
    policies: tuple[str, ...]
    lead_steps: tuple[int, int]

    @property
    def yardstick(self) -> str:
        """What the dreams are compared with."""
        return self.twin or ", ".join(self.recordings or ())


@dataclass(frozen=True, kw_only=True)
class FollowingConfig:
    """How to measure whether a world does what the texts say.

    Attributes:
        num_probes: Probes of a world on held-out starts, all actions together; 0 leaves the measurement out.
        num_training_probes: Probes on training starts that the classifier of a world learns from.
        classifier_iterations: Batches that it learns from.
        probes: Folder where probes and classifiers are kept, and found again; None keeps none.
    """

    num_probes: int = 560
    num_training_probes: int = 2400
    classifier_iterations: int = 1200
    probes: Path | None = None

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ValueError: A count is out of range.
        """
        if self.num_probes < 0:
            raise ValueError(f"num_probes must be at least 0, got {self.num_probes}")
        for name in ("num_training_probes", "classifier_iterations"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


def chosen_worlds(card: ModelCard, worlds: str | None) -> tuple[str, ...]:
    """The worlds of a checkpoint that a list with commas names; None is all.

    Raises:
        ValueError: The checkpoint lacks one of them.
    """
    if worlds is None:
        return tuple(card.worlds)
    return tuple(card.world(name.strip()) for name in worlds.split(","))


def for_world(config: FidelityConfig, world: str) -> FidelityConfig:
    """The same run in one of several worlds, with that world's own twin and policies.

    Long rollouts are left out where the world has no policy for them.

    Raises:
        ValueError: The config names what each world brings itself.
    """
    if config.recordings is not None:
        raise ValueError("recordings must be of one world, got several worlds to measure; name it with --world")
    for name in ("world", "twin", "policies", "lead_steps", "drift_policy"):
        if (value := getattr(config, name)) is not None:
            raise ValueError(f"{name} must be left out to compare worlds, got {value!r}: each has its own")
    has_drift = world in PLANS and PLANS[world].drift_policy is not None
    return replace(config, world=world, drift_rollouts=config.drift_rollouts if has_drift else 0)
