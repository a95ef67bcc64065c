"""Action simulation fidelity: sequences of actions, each round scored from 0 to 3 by a judge, as PAN reports it.

PAN's and WR-Arena's percentage is the mean score over 3. The same judge scores the real frames, which says what the
judge itself can be trusted with.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from wm_gym.evaluation.long.judges import MOST, JudgedRound, RoundJudge
from wm_gym.evaluation.long.sequences import ActionSequence
from wm_gym.evaluation.probes import Vocabulary

Shown = UInt8[np.ndarray, "rounds steps height width 3"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ActionFidelity:
    """Scores of sequences.

    Attributes:
        judge: Who scored.
        scores: Of the dream, from 0 to 1.
        real_scores: Of the real frames, the judge's ceiling.
        actions: Name of the action of each.
    """

    judge: str
    scores: Float[np.ndarray, "sequences rounds"]
    real_scores: Float[np.ndarray, "sequences rounds"]
    actions: tuple[tuple[str, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Returns means over all, by round and by action, as JSON values."""
        names = np.asarray(self.actions)
        by_action = {name: float(self.scores[names == name].mean()) for name in sorted(set(names.ravel().tolist()))}
        return {
            "judge": self.judge,
            "n": int(self.scores.size),
            "fidelity": float(self.scores.mean()),
            "real": float(self.real_scores.mean()),
            "by_round": self.scores.mean(axis=0).tolist(),
            "by_action": by_action,
        }


def action_fidelity(
    sequences: list[ActionSequence],
    texts: list[list[str]],
    shown: list[Shown],
    vocabulary: Vocabulary,
    judge: RoundJudge,
    name: str,
) -> ActionFidelity:
    """Lets a judge score sequences.

    Args:
        sequences: What really happened; at least one.
        texts: What the dream was told in each round.
        shown: What it showed.
        vocabulary: The actions.
        judge: Scores a round from 0 to 3.
        name: What the judge goes by.

    Raises:
        ValueError: A score is outside 0 to 3.
    """
    real = [np.stack([played.true for played in sequence.rounds]) for sequence in sequences]
    scores = [
        np.stack([_score(*each, vocabulary, judge) for each in zip(sequences, texts, side, strict=True)])
        for side in (shown, real)
    ]
    actions = tuple(tuple(vocabulary.names[played.label] for played in each.rounds) for each in sequences)
    return ActionFidelity(judge=name, scores=scores[0], real_scores=scores[1], actions=actions)


def _score(
    sequence: ActionSequence, texts: list[str], shown: Shown, vocabulary: Vocabulary, judge: RoundJudge
) -> Float[np.ndarray, " rounds"]:
    before, scores = sequence.clip, []
    for number, (played, text, frames) in enumerate(zip(sequence.rounds, texts, shown, strict=True), start=1):
        score = float(
            judge(
                JudgedRound(
                    text=text, number=number, before=before, frames=frames, played=played, vocabulary=vocabulary
                )
            )
        )
        if not 0 <= score <= MOST:
            raise ValueError(f"judge must return a number from 0 to {MOST:g}, got {score} for {text!r}")
        scores.append(score / MOST)
        before = np.concatenate([before, frames])[-len(sequence.clip) :]
    return np.asarray(scores, dtype=np.float64)
