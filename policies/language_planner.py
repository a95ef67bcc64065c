"""PAN's simulative reasoning: a language model proposes, the world model imagines, a critic picks, and again.

PAN (arXiv 2511.09057) plans with 3 proposals, the best of 3 samples of each, and at most 5 rounds. Every round begins
in the imagined world that the last one chose; nothing is done in the real one before the reasoning is over.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8

from wm_gym import WorldModel, WorldState
from wm_gym.actions import check_text
from wm_gym.planning import Critic, ImaginedTree, judge, write_tree

TRANSCRIPT, PICTURE = "transcript.json", "tree.png"


class Proposer(Protocol):
    """Proposes what to do next: wrap the language model of your choice in a callable of this shape."""

    def __call__(
        self, goal: str, frame: UInt8[np.ndarray, "height width 3"], said: Sequence[str], num_proposals: int, /
    ) -> Sequence[str]:
        """Texts to try after those that have been `said`; none once it takes the goal for reached.

        Args:
            goal: what shall hold in the end.
            frame: what is seen now, imagined or real.
            said: what has been chosen so far.
            num_proposals: most texts to return.
        """
        ...


class ScriptedProposer:
    """Proposes the texts of a list in turn, without looking: for tests, and for worlds with few texts.

    Args:
        texts: at least one.

    Raises:
        ValueError: there are none.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        if isinstance(texts, str) or not texts:
            raise ValueError(f"texts must be a non-empty list, got {texts!r}")
        self._texts = tuple(texts)

    def __call__(
        self, goal: str, frame: UInt8[np.ndarray, "height width 3"], said: Sequence[str], num_proposals: int, /
    ) -> list[str]:
        """The next `num_proposals` texts of the list, from where the round before ended."""
        count = min(num_proposals, len(self._texts))
        return [self._texts[(len(said) * count + i) % len(self._texts)] for i in range(count)]


@dataclass(frozen=True, kw_only=True)
class Imagined:
    """One sample of what a proposal leads to.

    Attributes:
        seed: of the world's noise.
        following: the critic's score of the text that was said.
        goal: the critic's score of the goal.
        uncertainty: the largest of the steps.
        ended: whether the episode ended.
    """

    seed: int
    following: float
    goal: float
    uncertainty: float
    ended: bool


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round of proposals.

    Attributes:
        proposals: texts.
        samples: of each proposal.
        best: the sample of each proposal that follows it best.
        chosen: the proposal whose best sample is nearest to the goal.
    """

    proposals: tuple[str, ...]
    samples: tuple[tuple[Imagined, ...], ...]
    best: tuple[int, ...]
    chosen: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Reasoning:
    """What was thought, round by round.

    Attributes:
        goal: what shall hold.
        actions: what to say, step by step.
        rounds: the proposals and their scores.
        is_finished: whether the last world chosen reaches the goal.
        tree: what was imagined.
    """

    goal: str
    actions: tuple[str, ...]
    rounds: tuple[Round, ...]
    is_finished: bool
    tree: ImaginedTree

    def write(self, folder: str | Path) -> None:
        """Write the transcript as JSON and the tree as a PNG into a folder, which is made if needed."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        transcript = {
            "goal": self.goal,
            "actions": self.actions,
            "is_finished": self.is_finished,
            "rounds": [asdict(round_) for round_ in self.rounds],
        }
        (target / TRANSCRIPT).write_text(json.dumps(transcript, indent=1) + "\n", encoding="utf-8")
        write_tree(target / PICTURE, self.tree)


class LanguagePlanner:
    """Reasons by imagining what proposals lead to.

    Args:
        model: the world model.
        proposer: says what might be done.
        critic: scores pictures by texts, in [0, 1].
        goal: what shall hold.
        num_proposals: proposals of a round.
        best_of: samples of each proposal, with noise of their own.
        max_rounds: most rounds.
        steps_per_text: steps that a proposal is said for.
        finished: score of the goal that ends the reasoning.
        uncertainty_penalty: weight of the uncertainty against the scores.
        transcripts: folder that every reasoning is written to, numbered; None writes nothing.
        seed: of the imagined worlds' noise.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        model: WorldModel,
        proposer: Proposer,
        critic: Critic,
        goal: str,
        *,
        num_proposals: int = 3,
        best_of: int = 3,
        max_rounds: int = 5,
        steps_per_text: int = 1,
        finished: float = 0.9,
        uncertainty_penalty: float = 0.1,
        transcripts: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        if not goal.strip():
            raise ValueError("goal must say what shall hold, got an empty text")
        for name, number in (
            ("num_proposals", num_proposals),
            ("best_of", best_of),
            ("max_rounds", max_rounds),
            ("steps_per_text", steps_per_text),
        ):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        self._model = model
        self._proposer = proposer
        self._critic = critic
        self._goal = goal
        self._num_proposals = num_proposals
        self._best_of = best_of
        self._max_rounds = max_rounds
        self._steps_per_text = steps_per_text
        self._finished = finished
        self._penalty = uncertainty_penalty
        self._transcripts = None if transcripts is None else Path(transcripts)
        self._rng = np.random.default_rng(seed)

    def reason(self, state: WorldState) -> Reasoning:
        """Think from one world on, which stays as it is.

        Raises:
            ValueError: the proposer breaks its rule, or does so from the start by proposing nothing.
        """
        tree = ImaginedTree.rooted(_picture(state))
        said: list[str] = []
        rounds: list[Round] = []
        at, score, over = 0, -np.inf, False
        while len(rounds) < self._max_rounds and score < self._finished and not over:
            proposals = self._propose(_picture(state), said, is_first=not rounds)
            if not proposals:
                break
            round_, worlds = self._imagine(state, proposals)
            rounds.append(round_)
            best = [samples[number] for samples, number in zip(round_.samples, round_.best, strict=True)]
            chosen_world = worlds.select([round_.chosen])
            moments = [
                tree.add(at, text, _picture(worlds.select([row])), best[row].goal) for row, text in enumerate(proposals)
            ]
            at, score, over = moments[round_.chosen], best[round_.chosen].goal, best[round_.chosen].ended
            state = chosen_world
            said.append(proposals[round_.chosen])
        tree.choose(at)
        actions = tuple(text for text in said for _ in range(self._steps_per_text))
        reasoning = Reasoning(
            goal=self._goal,
            actions=actions,
            rounds=tuple(rounds),
            is_finished=bool(score >= self._finished),
            tree=tree,
        )
        self._write(reasoning)
        return reasoning

    def predict(
        self,
        observation: Any,
        state: tuple[str, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[str, tuple[str, ...]]:
        """Choose the next text: think where nothing is left of the last thought, else go on with it.

        Args:
            observation: a chunk (chunk_frames, height, width, 3), uint8.
            state: what the last call returned; None at the start.
            episode_start: whether an episode begins with this observation.
            deterministic: ignored.

        Returns:
            The text, and the state for the next call.
        """
        left = () if state is None or np.any(episode_start) else state
        if not left:
            start = self._model.reset(np.asarray(observation)[None], seeds=[self._seed()])
            left = self.reason(start).actions
        return left[0], left[1:]

    def _propose(self, frame: np.ndarray, said: Sequence[str], is_first: bool) -> tuple[str, ...]:
        """The proposer's texts, each once.

        Raises:
            ValueError: they are no list of at most `num_proposals`, or none come at the start.
        """
        texts = self._proposer(self._goal, frame, tuple(said), self._num_proposals)
        proposals = () if isinstance(texts, str) else tuple(dict.fromkeys(map(check_text, texts)))
        if isinstance(texts, str) or len(proposals) > self._num_proposals or (is_first and not proposals):
            raise ValueError(f"proposer must return 1 to {self._num_proposals} texts, got {texts!r}")
        return proposals

    def _imagine(self, state: WorldState, proposals: Sequence[str]) -> tuple[Round, WorldState]:
        """Imagine all samples of all proposals at once; returns the best world of each proposal."""
        count = len(proposals) * self._best_of
        seeds = [self._seed() for _ in range(count)]
        texts = [text for text in proposals for _ in range(self._best_of)]
        futures = self._model.rollout(
            state.repeat(count).reseed(seeds), [[text] * self._steps_per_text for text in texts], keep_state=True
        )
        assert futures.state is not None, "asked for"
        pictures = futures.state.frames[:, -1].cpu().numpy()
        goal_scores = judge(self._critic, pictures, self._goal)
        ended, unsure = futures.terminated.any(dim=1).tolist(), futures.uncertainties.amax(dim=1).tolist()
        samples, best = [], []
        for row, text in enumerate(proposals):
            rows = range(row * self._best_of, (row + 1) * self._best_of)
            following = judge(self._critic, pictures[rows.start : rows.stop], text)
            samples.append(
                tuple(
                    Imagined(
                        seed=seeds[i],
                        following=float(following[i - rows.start]),
                        goal=float(goal_scores[i]),
                        uncertainty=unsure[i],
                        ended=ended[i],
                    )
                    for i in rows
                )
            )
            best.append(max(range(self._best_of), key=lambda i: self._worth(samples[-1][i].following, samples[-1][i])))
        kept = [samples[row][number] for row, number in enumerate(best)]
        chosen = max(range(len(kept)), key=lambda row: self._worth(kept[row].goal, kept[row]))
        round_ = Round(proposals=tuple(proposals), samples=tuple(samples), best=tuple(best), chosen=chosen)
        return round_, futures.state.select([row * self._best_of + number for row, number in enumerate(best)])

    def _worth(self, score: float, sample: Imagined) -> float:
        """A score, pessimistic about what the model does not know."""
        return score - self._penalty * sample.uncertainty

    def _seed(self) -> int:
        return int(self._rng.integers(2**63 - 1))

    def _write(self, reasoning: Reasoning) -> None:
        if self._transcripts is not None:
            written = [int(folder.name) for folder in self._transcripts.glob("[0-9]*") if folder.name.isdecimal()]
            reasoning.write(self._transcripts / f"{max(written, default=-1) + 1:04d}")


def _picture(state: WorldState) -> UInt8[np.ndarray, "height width 3"]:
    """The last frame of one world."""
    frame: np.ndarray = state.frames[0, -1].cpu().numpy()
    return frame
