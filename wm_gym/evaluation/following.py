"""Action following: whether a dream does what it is told, by the change that the action causes in the real world."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8

from wm_gym.evaluation.dreaming import dream_steps, stack_clips
from wm_gym.evaluation.intervals import wilson_interval
from wm_gym.evaluation.inverse_dynamics import InverseDynamics
from wm_gym.evaluation.phrasings import Phrases, Phrasings, draw_texts
from wm_gym.evaluation.probes import Cases
from wm_gym.evaluation.states import StateReader
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel

Clips = UInt8[np.ndarray, "cases steps height width channel"]

_STREAM = 4  # of the dreams' seeds


@runtime_checkable
class Judge(Protocol):
    """Says whether frames show what an action does."""

    @property
    def name(self) -> str:
        """What it goes by."""
        ...

    def follows(self, cases: Cases, frames: Clips) -> Bool[np.ndarray, " cases"]:
        """Whether the frames, real or dreamed, follow each case's action."""
        ...


@dataclass(frozen=True)
class ClassifierJudge:
    """Follows where the classifier takes the frames for those of the action."""

    classifier: InverseDynamics
    name: str = "inverse dynamics"

    def follows(self, cases: Cases, frames: Clips) -> Bool[np.ndarray, " cases"]:
        """Whether the classifier sees each case's action."""
        return np.asarray(self.classifier.predict(cases.clips, frames) == cases.labels, dtype=bool)


@dataclass(frozen=True)
class StateJudge:
    """Follows where the last frame shows the very state that the action leads to in the real world."""

    reader: StateReader
    name: str = "exact state"

    def follows(self, cases: Cases, frames: Clips) -> Bool[np.ndarray, " cases"]:
        """Whether the states read off the dreamed and off the real frame are equal."""
        read = self.reader.twin.read_state
        pairs = zip(frames[:, -1], cases.outcomes[:, -1], strict=True)
        return np.asarray([read(frame) == read(true) for frame, true in pairs], dtype=bool)


@dataclass(frozen=True)
class NearestJudge:
    """Follows where the frames look more like what the action leads to than like what any other one would have.

    It needs no training: from each moment the real world was tried with every action.
    """

    name: str = "nearest real outcome"

    def follows(self, cases: Cases, frames: Clips) -> Bool[np.ndarray, " cases"]:
        """Whether no other action's real outcome is nearer, by mean squared error."""
        return np.asarray([self._follows(cases, row, clip) for row, clip in enumerate(frames)], dtype=bool)

    def _follows(self, cases: Cases, row: int, clip: UInt8[np.ndarray, "steps height width channel"]) -> bool:
        moment = cases.moments[row]
        outcomes = cases.probes.outcomes[moment].astype(np.float32)
        errors = np.square(outcomes - clip.astype(np.float32)).mean(axis=(1, 2, 3, 4))
        return bool(errors[cases.labels[row]] <= errors[cases.probes.valid[moment]].min())


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many cases followed.

    Attributes:
        followed: By action.
        n: By action.
    """

    followed: Mapping[str, int] = field(default_factory=dict)
    n: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def count(cls, names: Sequence[str], follows: Bool[np.ndarray, " cases"]) -> "Share":
        """Counts by action, in the order of their first case."""
        distinct = list(dict.fromkeys(names))
        rows = {name: np.asarray([each == name for each in names]) for name in distinct}
        return cls(
            followed={name: int(follows[row].sum()) for name, row in rows.items()},
            n={name: int(row.sum()) for name, row in rows.items()},
        )

    def to_json(self) -> dict[str, Any] | None:
        """Returns the share with Wilson's 95 % interval, n, and the share by action; None without cases."""
        followed, n = sum(self.followed.values()), sum(self.n.values())
        if not n:
            return None
        by_action = {name: {"share": self.followed[name] / count, "n": count} for name, count in self.n.items()}
        return {"share": followed / n, "interval": list(wilson_interval(followed, n)), "n": n, "by_action": by_action}


@dataclass(frozen=True, kw_only=True)
class FollowingReport:
    """What action following is in one world.

    Attributes:
        judge: Who said what follows.
        num_steps: Steps for which each action was held.
        num_training_probes: Real probes that the judge learned from.
        real: How often the judge was right about the real frames themselves. All else counts these cases alone.
        kinds: How often dreams followed, by kind of phrasing.
        nearest: How often, by kind, they looked most like the real outcome of their action, of all cases.
        nonsense: How often dreams under meaningless texts went on as under idling.
        distances: Mean absolute differences of the last frame in 8-bit levels: of dreams under meaningless texts to the
            dream under the idle action's first text ("nonsense_to_wait") and to what really comes of idling
            ("nonsense_to_real"), and between these two ("wait_to_real").
        shuffle_ratio: Mean squared error of dreams under the text of another action over that under the right one's;
            1 means that texts change nothing.
    """

    judge: str
    num_steps: int
    num_training_probes: int
    real: Share
    kinds: Mapping[str, Share]
    nearest: Mapping[str, Share]
    nonsense: Share
    distances: Mapping[str, float]
    shuffle_ratio: float

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return {
            "judge": self.judge,
            "num_steps": self.num_steps,
            "num_training_probes": self.num_training_probes,
            "real": self.real.to_json(),
            **{kind: share.to_json() for kind, share in self.kinds.items()},
            "nonsense": self.nonsense.to_json(),
            "nearest": {kind: share.to_json() for kind, share in self.nearest.items()},
            "distances": dict(self.distances),
            "shuffle_ratio": self.shuffle_ratio,
        }


@dataclass(frozen=True, kw_only=True)
class Dreamer:
    """Dreams what a judge is shown.

    Attributes:
        model: The world model.
        sampling: How steps are drawn.
        batch_size: Worlds dreamed at once.
        seed: Of the dreams: the same case has the same noise under every text.
        on_step: Called after each step of a batch.
    """

    model: WorldModel
    sampling: StepArguments = field(default_factory=StepArguments)
    batch_size: int = 64
    seed: int = 0
    on_step: Callable[[], object] = int

    def dream(self, cases: Cases, texts: Sequence[str]) -> Clips:
        """The last frame of each step while a text is said, case by case."""
        num_steps = cases.vocabulary.num_steps
        seeds = [int(each) for each in np.random.SeedSequence([self.seed, _STREAM]).generate_state(len(texts))]
        batches = []
        for first in range(0, len(texts), self.batch_size):
            rows = slice(first, first + self.batch_size)
            starts = stack_clips(list(cases.clips[rows]), self.model.kept_frames)
            actions = [[text] * num_steps for text in texts[rows]]
            frames = []
            for output in dream_steps(self.model, starts, seeds[rows], actions, self.sampling):
                frames.append(output.frames[:, -1].cpu().numpy())
                self.on_step()
            batches.append(np.stack(frames, axis=1))
        return np.concatenate(batches)


def measure_following(
    dreamer: Dreamer, judge: Judge, cases: Cases, phrasings: Phrasings, *, num_training_probes: int
) -> FollowingReport:
    """Dreams real probes under texts of every kind and lets a judge say what follows.

    Args:
        dreamer: Dreams.
        judge: Judges.
        cases: Held-out real probes.
        phrasings: The texts.
        num_training_probes: Real probes that the judge learned from.

    Returns:
        The report.
    """
    right = judge.follows(cases, cases.outcomes)
    tables = {"trained": phrasings.trained, "unseen": phrasings.unseen, "transfer": phrasings.transfer}
    shares = {kind: _shares(dreamer, judge, cases, right, phrases) for kind, phrases in tables.items()}
    legible = cases.select(right)
    nonsense, distances = _nonsense(dreamer, judge, legible, phrasings)
    return FollowingReport(
        judge=judge.name,
        num_steps=cases.vocabulary.num_steps,
        num_training_probes=num_training_probes,
        real=Share.count(cases.names, right),
        kinds={kind: share for kind, (share, _) in shares.items()},
        nearest={kind: share for kind, (_, share) in shares.items()},
        nonsense=nonsense,
        distances=distances,
        shuffle_ratio=_shuffle_ratio(dreamer, legible, phrasings.trained),
    )


def _shares(
    dreamer: Dreamer, judge: Judge, cases: Cases, right: Bool[np.ndarray, " cases"], phrases: Phrases
) -> tuple[Share, Share]:
    """How often dreams follow the texts of the actions that have any: by the judge, and by the nearest outcome."""
    has_texts = np.asarray([name in phrases for name in cases.names], dtype=bool)
    spoken, legible = cases.select(has_texts), right[has_texts]
    if not spoken.names:
        return Share(), Share()
    frames = dreamer.dream(spoken, draw_texts(phrases, spoken.names, dreamer.seed))
    judged = spoken.select(legible)
    return (
        Share.count(judged.names, judge.follows(judged, frames[legible])),
        Share.count(spoken.names, NearestJudge().follows(spoken, frames)),
    )


def _nonsense(dreamer: Dreamer, judge: Judge, cases: Cases, phrasings: Phrasings) -> tuple[Share, dict[str, float]]:
    """How dreams go on under meaningless texts where idling is legible."""
    vocabulary = cases.vocabulary
    idling = cases.select(cases.labels == len(vocabulary.visible))
    names = idling.names
    if not names:
        return Share(), {}
    texts = draw_texts({vocabulary.idle: phrasings.nonsense}, names, dreamer.seed)
    odd = dreamer.dream(idling, texts)
    wait = dreamer.dream(idling, [phrasings.trained[vocabulary.idle][0]] * len(names))
    distances = {
        "nonsense_to_wait": _distance(odd, wait),
        "nonsense_to_real": _distance(odd, idling.outcomes),
        "wait_to_real": _distance(wait, idling.outcomes),
    }
    return Share.count(names, judge.follows(idling, odd)), distances


def _shuffle_ratio(dreamer: Dreamer, cases: Cases, phrases: Phrases) -> float:
    """The error under other actions' texts over that under the right ones."""
    names = cases.vocabulary.names
    offsets = np.random.default_rng([dreamer.seed, 6]).integers(1, len(names), len(cases.labels))
    others = [names[label] for label in (cases.labels + offsets) % len(names)]
    errors = [
        _squared_error(dreamer.dream(cases, draw_texts(phrases, said, dreamer.seed)), cases.outcomes)
        for said in (others, cases.names)
    ]
    return errors[0] / max(errors[1], 1e-6)


def _distance(frames: Clips, others: Clips) -> float:
    return float(np.abs(frames[:, -1].astype(np.float32) - others[:, -1].astype(np.float32)).mean())


def _squared_error(frames: Clips, others: Clips) -> float:
    return float(np.square(frames[:, -1].astype(np.float32) - others[:, -1].astype(np.float32)).mean())
