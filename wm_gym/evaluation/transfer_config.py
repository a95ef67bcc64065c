"""What a measurement of transfer runs. Light on purpose: a command line can show its help without loading torch."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """Which policies to play in the dream and in the real twin, and how often.

    Attributes:
        transfer: The policies: a stable-baselines3 PPO zip ("runs/ppo/policy.zip"), "random", or "module:factory" of
            `(num_actions, rng) -> (observations -> action numbers)`. "@0.3" behind it replaces that share of its
            actions by random ones. Empty leaves transfer out. A zip can run code when it is loaded: take only your own.
        transfer_episodes: Episodes of each policy on each side; at least 1.
        transfer_steps: Steps after which an episode is cut; None is the world's own time limit.
        twin_arguments: JSON objects of arguments for the twin, which take turns over the episodes, such as
            '{"layout": "doorkey"}'.
        success_return: An episode with at least this return is a success.
    """

    transfer: tuple[str, ...] = ()
    transfer_episodes: int = 100
    transfer_steps: int | None = None
    twin_arguments: tuple[str, ...] = ()
    success_return: float = 0.5

    def __post_init__(self) -> None:
        """Checks the numbers and the JSON.

        Raises:
            ValueError: A count is out of range, a policy is named twice, or an argument is no JSON object.
        """
        for name in ("transfer_episodes", "transfer_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if len(set(self.transfer)) < len(self.transfer):
            raise ValueError(f"transfer must name each policy once, got {', '.join(self.transfer)}")
        self.parsed_arguments()

    def parsed_arguments(self) -> list[dict[str, Any]]:
        """The arguments of the twins, in turn; one empty dict where there are none.

        Raises:
            ValueError: one of them is no JSON object.
        """
        parsed = []
        for text in self.twin_arguments or ("{}",):
            try:
                value = json.loads(text)
            except json.JSONDecodeError as error:
                raise ValueError(
                    f"twin_arguments must be JSON objects, got {text!r} ({error}); quote them for the shell"
                ) from error
            if not isinstance(value, dict):
                raise ValueError(f"twin_arguments must be JSON objects, got {text!r}")
            parsed.append(value)
        return parsed
