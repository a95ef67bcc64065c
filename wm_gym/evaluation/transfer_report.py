"""What a measurement of transfer found: a row a policy, and how well the dream orders them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wm_gym.data.durable_writes import write_whole
from wm_gym.evaluation.intervals import wilson_interval
from wm_gym.evaluation.ranking import mean_maximum_rank_violation, pearson, spearman
from wm_gym.evaluation.transfer_config import TransferConfig
from wm_gym.evaluation.transfer_episodes import Episodes

FORMAT = "wm_gym transfer 1"
_COLUMNS = ("real", "dream", "same actions", "same outcome", "length real", "length dream")
_CELL_WIDTH = 13


@dataclass(frozen=True, kw_only=True)
class Side:
    """A policy's episodes on one side.

    Attributes:
        n: Episodes.
        successes: Those that succeeded.
        mean_return: Sum of rewards of an episode.
        mean_length: Steps of an episode.
    """

    n: int
    successes: int
    mean_return: float
    mean_length: float

    @classmethod
    def of(cls, episodes: Sequence[Episodes], success_return: float) -> "Side":
        """Counts batches of episodes."""
        wins = np.concatenate([each.successes(success_return) for each in episodes])
        return cls(
            n=len(wins),
            successes=int(wins.sum()),
            mean_return=float(np.concatenate([each.returns for each in episodes]).mean()),
            mean_length=float(np.concatenate([each.lengths for each in episodes]).mean()),
        )

    @property
    def success(self) -> float:
        """Share of the episodes that succeeded."""
        return self.successes / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of `success`."""
        return wilson_interval(self.successes, self.n)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"success": self.success, "interval": self.interval}


@dataclass(frozen=True, kw_only=True)
class PolicyTransfer:
    """One policy from the same starts on both sides.

    Attributes:
        name: As `TransferConfig.transfer` names it.
        real: Played in the real twin.
        dream: Played in the dream, where it sees what it dreams.
        replayed: The actions of the real episodes taken again in the dream.
        same_outcome: Share of the real episodes whose success the same actions repeat in the dream.
    """

    name: str
    real: Side
    dream: Side
    replayed: Side
    same_outcome: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        sides = {name: getattr(self, name).to_json() for name in ("real", "dream", "replayed")}
        return {"name": self.name, **sides, "same_outcome": self.same_outcome}


@dataclass(frozen=True, kw_only=True)
class TransferReport:
    """The result of `evaluate_transfer`.

    Attributes:
        config: What ran.
        policies: In the order of the config.
        seeds: Of the real resets, the same for all policies.
        provenance: Checkpoint, world, twin, steps, sampling, versions, commit, wall time.
    """

    config: TransferConfig
    policies: tuple[PolicyTransfer, ...]
    seeds: tuple[int, ...]
    provenance: Mapping[str, Any]

    def ranking(self, score: str = "success") -> dict[str, float | None]:
        """How the dream orders the policies.

        Args:
            score: "success" or "mean_return", of each side.

        Returns:
            `pearson`, `spearman` and `mmrv`; None where fewer than two policies, or scores all equal, decide nothing.
        """
        names = ("pearson", "spearman", "mmrv")
        if len(self.policies) < 2:
            return dict.fromkeys(names)
        real, dream = ([getattr(side(each), score) for each in self.policies] for side in (_real, _dream))
        values = (pearson(real, dream), spearman(real, dream), mean_maximum_rank_violation(real, dream))
        return {name: None if value != value else value for name, value in zip(names, values, strict=True)}

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "format": FORMAT,
            **self.provenance,
            "num_policies": len(self.policies),
            "ranking_by_success": self.ranking("success"),
            "ranking_by_return": self.ranking("mean_return"),
            "policies": [each.to_json() for each in self.policies],
            "seeds": list(self.seeds),
            "config": asdict(self.config),
        }

    def save(self, path: Path) -> None:
        """Writes `to_json` to a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n").encode())

    def table(self) -> str:
        """The policies, best in the real twin first, and the ranking, for a terminal."""
        width = max([len(each.name) for each in self.policies] + [20])
        ordered = sorted(self.policies, key=lambda each: -each.real.success)
        facts = self.provenance
        return "\n".join(
            [
                f"{facts['checkpoint']} against {facts['twin']}, {facts['split']} starts, "
                f"{len(self.seeds)} episodes of each policy, seed {facts['seed']}",
                "success".ljust(width) + "".join(name.rjust(_CELL_WIDTH) for name in _COLUMNS),
                *(
                    each.name.ljust(width) + "".join(cell.rjust(_CELL_WIDTH) for cell in _cells(each))
                    for each in ordered
                ),
                self.summary(),
            ]
        )

    def summary(self) -> str:
        """The ranking by success in a line."""
        values = {name: "-" if value is None else f"{value:.3f}" for name, value in self.ranking().items()}
        return (
            f"ranking of {len(self.policies)} policies by success: Pearson {values['pearson']}, "
            f"Spearman {values['spearman']}, MMRV {values['mmrv']}"
        )


def _cells(policy: PolicyTransfer) -> list[str]:
    shares = (policy.real.success, policy.dream.success, policy.replayed.success, policy.same_outcome)
    lengths = (policy.real.mean_length, policy.dream.mean_length)
    return [f"{100 * share:.1f} %" for share in shares] + [f"{length:.1f}" for length in lengths]


def _real(policy: PolicyTransfer) -> Side:
    return policy.real


def _dream(policy: PolicyTransfer) -> Side:
    return policy.dream
