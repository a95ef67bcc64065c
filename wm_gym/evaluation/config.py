"""What a fidelity evaluation runs. Light on purpose: a command line can show its help without loading torch."""

from dataclasses import dataclass

_REPORTED_HORIZONS = (1, 4, 16, 64)
_REPORTED_DRIFT_STEPS = (10, 100, 1000)


@dataclass(frozen=True, kw_only=True)
class FidelityConfig:
    """What to dream, against what, and how often.

    Attributes:
        checkpoint: A shipped name ("minigrid") or a checkpoint folder.
        rollouts: Number of open-loop rollouts, each from a held-out layout of its own; at least 1.
        horizon: Steps of each rollout; at least 1.
        seed: Every layout, policy and dream is a function of it.
        twin: Gymnasium id of the real twin, as for `gym.make`.
        split: The twin's layouts to start from; an episode on "train" never starts from one of "test".
        policies: Who acts in the twin, as "module:factory" of `(env, rng) -> (observation -> text)`. Rollout i takes
            number i modulo their count. The explorer works keys, doors and boxes and never ends an episode; the
            expert reaches goals.
        batch_size: Worlds dreamed at once.
        drift_rollouts: Number of long rollouts; 0 leaves the drift out.
        drift_steps: Steps of each long rollout.
        drift_policy: Who acts in the long rollouts. It must never end the episode.
        num_denoising_steps: Decoder calls per chunk; None takes the checkpoint's own.
        temperature: Scale of the initial noise; None takes the checkpoint's own.
        device: Where the world model runs, as torch names it.
        failure_strips: How many failures to keep as pictures.
    """

    checkpoint: str = "minigrid"
    rollouts: int = 500
    horizon: int = 64
    seed: int = 0
    twin: str = "envs:real/MiniGrid-v0"
    split: str = "test"
    policies: tuple[str, ...] = (
        "policies.minigrid:explorer",
        "policies.minigrid:random_policy",
        "policies.minigrid:expert",
    )
    batch_size: int = 64
    drift_rollouts: int = 0
    drift_steps: int = 1000
    drift_policy: str = "policies.minigrid:explorer"
    num_denoising_steps: int | None = None
    temperature: float | None = None
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
        if not self.policies:
            raise ValueError(
                'policies must name at least one policy, got none; write one as "policies.minigrid:explorer"'
            )

    @property
    def horizons(self) -> tuple[int, ...]:
        """The horizons that the table shows: 1, 4, 16 and 64 up to the last step, and the last step."""
        return tuple(sorted({step for step in _REPORTED_HORIZONS if step <= self.horizon} | {self.horizon}))

    @property
    def drift_horizons(self) -> tuple[int, ...]:
        """The steps at which the drift is read: 10, 100 and 1,000 up to the last step, and the last step."""
        return tuple(sorted({step for step in _REPORTED_DRIFT_STEPS if step <= self.drift_steps} | {self.drift_steps}))
