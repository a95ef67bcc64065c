"""PUCT: which branch of a search tree to look at next.

The rule is MuZero's (arXiv 1911.08265, appendix B) with values scaled to [0, 1] by the least and largest seen. Leaves
of one batch are chosen one after the other, and those under way count as visits in the exploration term alone (WU-UCT,
arXiv 1810.11755), so that a batch spreads out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from wm_gym.world_state import WorldState

PB_C_INIT, PB_C_BASE = 1.25, 19652.0  # as in MuZero and mctx
FREE_VISITS = 1024  # most visits of known ends while leaves are chosen: they cost no model step


@dataclass(kw_only=True, eq=False)
class Branch:
    """A node of the search.

    Attributes:
        moment: its number in the tree of moments.
        world: its state, while some text has not been said in it; then its memory is free again.
        reward: of the step that led here.
        leaf_value: what being here is worth by the goal, or by what follows under random texts.
        known_value: what the goal alone says.
        ended: whether the episode is over here.
        prior: probability of each text.
        unsaid: numbers of the texts that have not been said here.
        children: number of the text -> node.
        visits: simulations that came through.
        pending: simulations of the batch under way that come through.
        total: sum of their returns from here on.
        believed: whether the step that led here is.
    """

    moment: int
    world: WorldState | None
    reward: float
    leaf_value: float
    known_value: float
    ended: bool
    prior: Float[np.ndarray, " texts"]
    unsaid: set[int]
    children: "dict[int, Branch]" = field(default_factory=dict)
    visits: int = 0
    pending: int = 0
    total: float = 0.0
    believed: bool = True

    @property
    def value(self) -> float:
        """Mean return from here on."""
        return self.total / self.visits if self.visits else 0.0

    @property
    def favourite(self) -> "Branch | None":
        """The most visited child, by what it is worth among equals."""
        return max(self.children.values(), key=lambda child: (child.visits, child.reward + child.value), default=None)


Way = list[Branch]
"""Nodes from the root on, each a child of the one before."""


class Puct:
    """Goes down the tree and carries returns up again.

    Args:
        root: where all ways begin.
        discount: factor a step.
        max_depth: texts of the longest way.

    Attributes:
        root: see above.
        best: the best return that a way is known to earn, without random texts after it, and the way's last node.
    """

    def __init__(self, root: Branch, discount: float, max_depth: int) -> None:
        self.root = root
        self.best: tuple[float, Branch] | None = None
        self._discount = discount
        self._max_depth = max_depth
        self._least, self._largest = math.inf, -math.inf

    def select(self, num_leaves: int) -> list[tuple[Way, int]]:
        """Ways to different unsaid texts, and the text to say at the end of each.

        Ways that end with an episode are visited once more at no cost.
        """
        leaves: list[tuple[Way, int]] = []
        for _ in range(num_leaves + FREE_VISITS):
            if len(leaves) == num_leaves:
                break
            way, text = self._descend()
            if text is None and not way[-1].ended:
                break  # what is left is under way in this batch, or too deep
            for node in way:
                node.pending += 1
            if text is None:
                self.back_up(way)
                continue
            way[-1].unsaid.discard(text)
            leaves.append((way, text))
        return leaves

    def follow(self, texts: Sequence[int]) -> list[tuple[Way, int]]:
        """The way along texts as far as it is known, and the next of them; nothing where all of it is."""
        way = [self.root]
        for text in texts[: self._max_depth]:
            if text in way[-1].unsaid:
                way[-1].unsaid.discard(text)
                for node in way:
                    node.pending += 1
                return [(way, text)]
            if text not in way[-1].children:
                break
            way.append(way[-1].children[text])
        return []

    def back_up(self, way: Sequence[Branch]) -> None:
        """Add what the last node is worth to all nodes of a way, the last one first."""
        value, known = way[-1].leaf_value, way[-1].known_value
        for node in reversed(way):
            node.visits += 1
            node.pending -= 1
            node.total += value
            if node is not self.root:
                value, known = (node.reward + self._discount * after for after in (value, known))
                self._least, self._largest = min(self._least, value), max(self._largest, value)
        if len(way) > 1 and (self.best is None or known > self.best[0]):
            self.best = known, way[-1]

    def _descend(self) -> tuple[Way, int | None]:
        """A way by PUCT, and the unsaid text at its end, if there is one."""
        way = [self.root]
        while not way[-1].ended and len(way) <= self._max_depth:
            scores = self._scores(way[-1])
            text = max(scores, key=scores.__getitem__, default=None)
            if text is None or text in way[-1].unsaid:
                return way, text
            way.append(way[-1].children[text])
        return way, None

    def _scores(self, node: Branch) -> dict[int, float]:
        """PUCT of each text; those that are said for the first time in this batch are left out."""
        count = node.visits + node.pending
        weight = math.sqrt(max(1, count)) * (math.log((count + PB_C_BASE + 1) / PB_C_BASE) + PB_C_INIT)
        scores = {text: self._scaled(node.value) + float(node.prior[text]) * weight for text in node.unsaid}
        for text, child in node.children.items():
            worth = child.reward + self._discount * child.value
            scores[text] = self._scaled(worth) + float(node.prior[text]) * weight / (1 + child.visits + child.pending)
        return scores

    def _scaled(self, value: float) -> float:
        """To [0, 1] by the least and the largest value seen."""
        if self._largest <= self._least:
            return 0.0
        return (value - self._least) / (self._largest - self._least)
