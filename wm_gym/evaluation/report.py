"""What an evaluation found: numbers for JSON, a table for a terminal, strips of failures for the eye."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from wm_gym.data.durable_writes import write_whole
from wm_gym.evaluation.config import ResolvedConfig
from wm_gym.evaluation.confusion import Confusion
from wm_gym.evaluation.drift import DriftCounts
from wm_gym.evaluation.error_detection import ErrorDetection, detect_errors
from wm_gym.evaluation.events import EventCounts
from wm_gym.evaluation.scoring import Example, Failure, FailureStrip, RolloutScore
from wm_gym.evaluation.states import ReaderCounts
from wm_gym.evaluation.summary import (
    ShareCurve,
    correlation,
    count_labels,
    first_error_rates,
    mean_at,
    psnr_curve,
    share_by_policy,
    share_curve,
    sum_events,
)
from wm_gym.evaluation.table import render_table

FORMAT = "wm_gym fidelity 1"


@dataclass(frozen=True, kw_only=True, eq=False)
class FidelityReport:
    """The result of `evaluate_fidelity`.

    Attributes:
        config: What ran.
        scores: One a rollout.
        failures: Where dreams first went wrong, at most one a rollout, in the rollouts' order.
        strips: The frames around the first few failures.
        example: Frames of the longest rollout, the first of these.
        drift: By step; empty where none ran.
        reader: How well the twin's reader did on the real frames of the same rollouts.
        distinct_starts: Different start observations among the rollouts.
        provenance: Weights' hash, sampling, device, dtype, versions, wall time.
    """

    config: ResolvedConfig
    scores: tuple[RolloutScore, ...]
    failures: tuple[Failure, ...]
    strips: tuple[FailureStrip, ...]
    example: Example | None
    drift: Mapping[int, DriftCounts]
    reader: ReaderCounts
    distinct_starts: int
    provenance: Mapping[str, Any]

    @property
    def running(self) -> Int[np.ndarray, " horizon"]:
        """How many rollouts reach each step."""
        ends = np.asarray([score.num_steps for score in self.scores])
        return np.asarray([np.sum(ends >= step) for step in range(1, self.config.horizon + 1)])

    @property
    def state_curve(self) -> ShareCurve:
        """The share of rollouts whose whole state is right, at each step; NaN where states cannot be read."""
        return share_curve([score.exact for score in self.scores], self.config.horizon)

    @property
    def baseline_curve(self) -> ShareCurve:
        """The share whose true state is still the start's: what holding the first frame scores."""
        return share_curve([score.baseline_exact for score in self.scores], self.config.horizon)

    @property
    def factor_curves(self) -> dict[str, ShareCurve]:
        """The share that is right by factor, at each step."""
        factors = self.scores[0].factors
        return {
            name: share_curve([score.factors[name] for score in self.scores], self.config.horizon) for name in factors
        }

    @property
    def psnr(self) -> Float[np.ndarray, " horizon"]:
        """PSNR of the dreams in dB, at each step."""
        return psnr_curve([score.squared_error for score in self.scores], self.config.horizon)

    @property
    def baseline_psnr(self) -> Float[np.ndarray, " horizon"]:
        """PSNR of the held first frame in dB, at each step."""
        return psnr_curve([score.baseline_squared_error for score in self.scores], self.config.horizon)

    @property
    def rewards(self) -> EventCounts:
        """Reward events over all steps of the real episodes."""
        return sum_events([score.rewards for score in self.scores])

    @property
    def terminations(self) -> EventCounts:
        """Ends over all steps of the real episodes."""
        return sum_events([score.terminations for score in self.scores])

    @property
    def error_detection(self) -> ErrorDetection | None:
        """Whether uncertainty tells errors; None where states cannot be read."""
        return detect_errors(self.scores)

    def to_json(self) -> dict[str, Any]:
        """Returns everything but the strips as plain JSON values; a horizon that no rollout reaches is null."""
        at, curve, horizon = self._at, self.state_curve, self.config.horizon
        return {
            "format": FORMAT,
            "checkpoint": self.config.checkpoint,
            "world": self.config.world,
            **self.provenance,
            "n": len(self.scores),
            "n_by_horizon": at(self.running),
            "distinct_starts": self.distinct_starts,
            "state_accuracy": at(curve.share),
            "state_accuracy_interval": at(np.stack([curve.lower, curve.upper], axis=-1)),
            "baseline_state_accuracy": at(self.baseline_curve.share),
            "factors": {name: at(factor.share) for name, factor in self.factor_curves.items()},
            "state_accuracy_by_policy": {
                policy: {"state_accuracy": at(part.share), "n_by_horizon": at(part.n)}
                for policy, part in share_by_policy(self.scores, horizon).items()
            },
            "psnr": at(self.psnr),
            "baseline_psnr": at(self.baseline_psnr),
            "ssim": self._ssim([score.ssim for score in self.scores]),
            "baseline_ssim": self._ssim([score.baseline_ssim for score in self.scores]),
            "reward": self.rewards.to_json() | {"macro_f1": self._macro_f1("reward_classes")},
            "reward_correlation": correlation(
                [score.dreamed_rewards for score in self.scores], [score.true_rewards for score in self.scores]
            ),
            "termination": self.terminations.to_json()
            | {
                "macro_f1": self._macro_f1("termination_classes"),
                "brier": float(np.concatenate([score.termination_error for score in self.scores]).mean()),
            },
            "uncertainty": found.to_json() if (found := self.error_detection) else None,
            "drift": {str(step): counts.to_json() for step, counts in self.drift.items()},
            "reader": self._reader(),
            "first_errors": self._first_errors(),
            "curves": self._curves(),
            "seeds": [score.seed for score in self.scores],
            "config": asdict(self.config),
        }

    def table(self) -> str:
        """Returns the numbers by horizon as text, for a terminal."""
        return render_table(self.to_json())

    def save(self, path: Path) -> None:
        """Writes `to_json` to a file, whole or not at all.

        Args:
            path: The file; its folder is made where missing.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n").encode())

    def _at(self, curve: np.ndarray) -> dict[str, Any]:
        """Picks the reported horizons out of a curve over steps 1..H."""
        return {str(step): _plain(curve[step - 1]) for step in self.config.horizons}

    def _macro_f1(self, name: str) -> float | None:
        parts: list[Confusion] = [getattr(score, name) for score in self.scores]
        return reduce(add, parts).macro_f1

    def _ssim(self, values: list[dict[int, float]]) -> dict[str, float | None]:
        return {str(step): mean_at(values, step) for step in self.config.horizons}

    def _reader(self) -> dict[str, Any] | None:
        """Says on how many real frames the reader was checked, and on what share of them it was right."""
        frames = self.reader.frames
        if not frames:
            return None
        factors = {name: right / frames for name, right in self.reader.right.items()}
        return {"frames": frames, "accuracy": self.reader.whole / frames, "factors": factors}

    def _first_errors(self) -> dict[str, Any]:
        """Says what goes wrong first, summed up and rollout by rollout."""
        return {
            "by_factor": count_labels([factor for failure in self.failures for factor in failure.factors]),
            "by_action": first_error_rates(self.scores),
            "by_policy": count_labels([failure.policy for failure in self.failures]),
            "rollouts": [asdict(failure) for failure in self.failures],
        }

    def _curves(self) -> dict[str, Any]:
        """Returns every curve in full, from step 1 on."""
        curve = self.state_curve
        return {
            "n": _plain(self.running),
            "state_accuracy": _plain(curve.share),
            "state_accuracy_lower": _plain(curve.lower),
            "state_accuracy_upper": _plain(curve.upper),
            "baseline_state_accuracy": _plain(self.baseline_curve.share),
            "factors": {name: _plain(factor.share) for name, factor in self.factor_curves.items()},
            "psnr": _plain(self.psnr),
            "baseline_psnr": _plain(self.baseline_psnr),
        }


def _plain(values: Any) -> Any:
    """Turns numbers and arrays into JSON values, NaN into None."""
    if isinstance(values, np.ndarray):
        return [_plain(value) for value in values]
    number = values.item() if isinstance(values, np.generic) else values
    return None if number != number else number
