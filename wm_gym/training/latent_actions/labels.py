"""A labeller of latent actions: it learns their names from a few labelled minutes, and says how well."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from wm_gym.training.latent_actions.map import ActionMap, cross_validate
from wm_gym.training.latent_actions.steps import LabelledSteps, Steps

NOTHING = -1  # the number of "", "do nothing", where no labelled step was still


class Labeller:
    """Names the actions of steps: visible ones by the classifiers, still ones all alike.

    No video shows which action was tried in vain. A still step gets the action that most surely changes nothing in the
    labelled steps, such as "wait": that label is true of what is seen, whatever was meant.

    Attributes:
        still_action: the number of that action, or `NOTHING`.
    """

    def __init__(self, labelled: LabelledSteps, num_codes: int, seed: int = 0) -> None:
        """Learns from labelled steps, some of them visible."""
        steps, visible = labelled.steps, labelled.steps.visible
        self.still_action = _still_action(labelled)
        self._map = ActionMap(
            steps.features[visible],
            steps.codes[visible],
            labelled.actions[visible],
            num_codes=num_codes,
            num_actions=len(labelled.names),
            seed=seed,
        )

    def label(self, steps: Steps) -> Int[Tensor, " steps"]:
        """The number of each step's action."""
        actions = torch.full((len(steps),), self.still_action)
        if steps.visible.any():
            probabilities = self._map.predict(steps.features[steps.visible], steps.codes[steps.visible])
            actions[steps.visible] = probabilities.argmax(dim=1)
        return actions


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How many steps got the right action.

    Attributes:
        right: action name to visible steps that did.
        visible: action name to visible steps.
        num_still: steps in which no pixel changed, whose actions no video shows.
        num_still_right: those that did.
    """

    right: dict[str, int]
    visible: dict[str, int]
    num_still: int
    num_still_right: int

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        actions: Int[Tensor, " steps"],
        predicted: Int[Tensor, " steps"],
        visible: Bool[Tensor, " steps"],
    ) -> "Agreement":
        """Count."""
        right = predicted == actions

        def count(rows: Bool[Tensor, " steps"]) -> dict[str, int]:
            return dict(Counter(names[number] for number in actions[rows].tolist()))

        return cls(
            right=count(visible & right),
            visible=count(visible),
            num_still=int((~visible).sum()),
            num_still_right=int((~visible & right).sum()),
        )

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(
            right=dict(Counter(self.right) + Counter(other.right)),
            visible=dict(Counter(self.visible) + Counter(other.visible)),
            num_still=self.num_still + other.num_still,
            num_still_right=self.num_still_right + other.num_still_right,
        )

    @property
    def share(self) -> float:
        """Share of the visible steps that got the right action."""
        return sum(self.right.values()) / max(sum(self.visible.values()), 1)

    def lines(self, what: str) -> list[str]:
        """For a person."""
        total = f"{what}: {100 * self.share:.1f} % of {sum(self.visible.values())} visible steps got the right action"
        if self.num_still:
            still = 100 * self.num_still_right / self.num_still
            total += f" (of {self.num_still} steps in which no pixel changes, {still:.1f} %)"
        most_first = sorted(self.visible.items(), key=lambda item: -item[1])
        return [total, *(f"  {name}: {100 * self.right.get(name, 0) / n:.1f} % of {n}" for name, n in most_first)]


@dataclass(frozen=True, kw_only=True)
class LabelReport:
    """What came of labelling.

    Attributes:
        num_labelled: labelled steps that were learned from.
        held_out: agreement on them, each labelled by a map that was fitted without it.
        codes: for each code, action name to how many visible labelled steps had both.
        still_text: what still steps are called.
        num_episodes: episodes written, those before a resume included.
        truth: agreement with the texts that the recordings have themselves, where that was asked for.
    """

    num_labelled: int
    held_out: Agreement
    codes: tuple[dict[str, int], ...]
    still_text: str
    num_episodes: int = 0
    truth: Agreement | None = None

    def lines(self) -> list[str]:
        """For a person."""
        lines = self.held_out.lines(f"{self.num_labelled} labelled steps, each held out once")
        for code, meanings in enumerate(self.codes):
            total = sum(meanings.values())
            most_first = sorted(meanings.items(), key=lambda item: -item[1])
            said = ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in most_first)
            lines.append(f"code {code}: {said or 'in no labelled step'}" + (f" (of {total})" if total else ""))
        lines.append(f"steps in which no pixel changes are called {self.still_text!r}")
        if self.truth is not None:
            lines += self.truth.lines("against the recordings' own texts")
        return lines


def fit_labeller(labelled: LabelledSteps, num_codes: int, seed: int = 0) -> tuple[Labeller, LabelReport]:
    """Learn from all labelled steps, and report how steps fare that a labeller did not learn from."""

    def predict(fitted: Bool[Tensor, " steps"], others: Bool[Tensor, " steps"]) -> Int[Tensor, " others"]:
        part = labelled.select(fitted)
        if not part.steps.visible.any():
            return torch.full((int(others.sum()),), NOTHING)
        return Labeller(part, num_codes, seed).label(labelled.steps.select(others))

    names, visible = labelled.names, labelled.steps.visible
    labeller = Labeller(labelled, num_codes, seed)
    meanings: list[Counter[str]] = [Counter() for _ in range(num_codes)]
    for code, action in zip(labelled.steps.codes[visible].tolist(), labelled.actions[visible].tolist(), strict=True):
        meanings[code][names[action]] += 1
    report = LabelReport(
        num_labelled=len(labelled.actions),
        held_out=Agreement.of(names, labelled.actions, cross_validate(predict, len(labelled.actions)), visible),
        codes=tuple(map(dict, meanings)),
        still_text="" if labeller.still_action == NOTHING else names[labeller.still_action],
    )
    return labeller, report


def _still_action(labelled: LabelledSteps) -> int:
    """The action whose labelled steps most surely change nothing; rare ones count as less sure."""
    still = ~labelled.steps.visible
    if not still.any():
        return NOTHING
    num_actions = len(labelled.names)
    counts = torch.bincount(labelled.actions, minlength=num_actions)
    sure = torch.bincount(labelled.actions[still], minlength=num_actions)
    return int((sure / (counts + 1)).argmax())
