"""The ground that searches stand on: a tree of worlds that no two nodes share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64

from wm_gym.actions import Action
from wm_gym.planning.imagined_tree import ImaginedTree
from wm_gym.planning.novelty import Novelty, PatchCodes
from wm_gym.planning.planner import Imagination, Plan
from wm_gym.world_state import WorldState


@dataclass(kw_only=True, eq=False)
class Node:
    """A world that a search has come to.

    Attributes:
        moment: its number in the tree.
        depth: steps from the root.
        earned: discounted pessimistic rewards on the way.
        value: the same with what the goal says of being here.
        codes: what its patches show.
        ended: whether the episode is over here.
        believed: whether the step that led here is.
        world: its state, until it has been expanded.
    """

    moment: int
    depth: int
    earned: float
    value: float
    codes: Int64[np.ndarray, " patches"]
    ended: bool
    believed: bool
    world: WorldState | None


class StateSearch:
    """Expands worlds, many in one model call, and drops those that look like one that is known.

    What a world cannot show (a hidden velocity, what lies behind the camera) is not seen here either: such states are
    taken for equal. `deduplicate=False` keeps them apart, at the price of every detour.

    Args:
        imagination: the model, counted.
        state: one world.
        vocabulary: what may be said.
        patch_codes: tells frames apart; a fresh one.
        deduplicate: whether equal frames are one state.
    """

    def __init__(
        self,
        imagination: Imagination,
        state: WorldState,
        vocabulary: Sequence[str],
        patch_codes: PatchCodes,
        deduplicate: bool,
    ) -> None:
        self._imagination = imagination
        self._vocabulary = vocabulary
        self._patch_codes = patch_codes
        self._deduplicate = deduplicate
        self.novelty = Novelty()
        frames = state.frames[:, -1].cpu().numpy()
        value = float(imagination.values(state, torch.zeros(1, device=state.seeds.device))[0])
        self.tree = ImaginedTree.rooted(frames[0], value)
        codes = patch_codes.encode(frames)
        self.novelty.add(codes)
        self.root = Node(
            moment=0, depth=0, earned=0.0, value=value, codes=codes[0], ended=False, believed=True, world=state
        )
        self.best: Node | None = None

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent or a plan is good enough."""
        enough = self.best is not None and self.best.value >= self._imagination.objective.enough
        return enough or self._imagination.meter.is_spent

    def expand(self, nodes: Sequence[Node]) -> list[Node]:
        """All new worlds one text after these, in one model call; fewer once the budget ends."""
        children = self.step([(node, text) for node in nodes for text in self._vocabulary])
        for node in nodes:
            node.world = None  # its memory is free again
        return children

    def step(self, pairs: Sequence[tuple[Node, Action]]) -> list[Node]:
        """The worlds one action after others, in one model call and in order; fewer once the budget ends.

        Those that look like one that is known are left out, where they are one state.
        """
        return self._step(pairs[: self._imagination.meter.afford(len(pairs))])

    def follow(self, actions: Sequence[Action]) -> list[Node]:
        """The worlds along an earlier plan, as far as they are new and go on."""
        nodes: list[Node] = []
        node = self.root
        for action in actions:
            found = [] if self.is_over else self._step([(node, action)])
            if not found or found[0].ended:
                break
            node = found[0]
            nodes.append(node)
        return nodes

    def plan(self, nodes: Sequence[Node] = ()) -> Plan:
        """The way to the best world, of these nodes or of all.

        Raises:
            ValueError: the budget did not suffice for a single step.
        """
        best = max(nodes, key=self._rank, default=self.best)
        if best is None:
            raise ValueError("budget must allow at least one model step, got none; pass a larger one")
        way = self.tree.choose(best.moment)
        return Plan(
            actions=self.tree.actions(way),
            value=best.value,
            frames=self.tree.frames(way),
            model_steps=self._imagination.meter.model_steps,
            seconds=self._imagination.meter.seconds,
            tree=self.tree,
            ended=best.ended and best.believed,
        )

    def _step(self, pairs: Sequence[tuple[Node, Action]]) -> list[Node]:
        if not pairs:
            return []
        worlds = [node.world for node, _ in pairs if node.world is not None]
        assert len(worlds) == len(pairs), "worlds are expanded once"
        state, output = self._imagination.step(_join(worlds), [action for _, action in pairs])
        frames = output.frames[:, -1].cpu().numpy()
        codes = self._patch_codes.encode(frames)
        believed = output.uncertainty.isfinite().tolist()
        new = [believed[row] and self.novelty.add(codes[row : row + 1])[0] for row in range(len(pairs))]
        rewards, ended = output.reward.tolist(), output.terminated.tolist()
        values = self._imagination.values(state, output.uncertainty).tolist()
        children = []
        for row, (parent, action) in enumerate(pairs):
            if self._deduplicate and not new[row] and not ended[row]:
                continue
            discount = self._imagination.objective.discount
            earned = parent.earned + discount**parent.depth * rewards[row]
            value = earned + discount ** (parent.depth + 1) * values[row]
            child = Node(
                moment=self.tree.add(parent.moment, action, frames[row], value),
                depth=parent.depth + 1,
                earned=earned,
                value=value,
                codes=codes[row],
                ended=ended[row],
                believed=believed[row],
                world=state.select([row]),
            )
            children.append(child)
        self.best = max([*children, *([] if self.best is None else [self.best])], key=self._rank, default=None)
        return children

    def _rank(self, node: Node) -> tuple[int, float]:
        """The best of those that beat standing still; where none does, the newest sight that is no end.

        What is not believed comes last.
        """
        if not node.believed:
            return 0, node.value
        if node.value > self.root.value:
            return 2, node.value
        return 1, -1.0 if node.ended else self.novelty.of(node.codes)


def _join(worlds: Sequence[WorldState]) -> WorldState:
    """The worlds in one batch; a run of the same world is a fork."""
    distinct: list[WorldState] = []
    rows: list[int] = []
    for world in worlds:
        if not distinct or distinct[-1] is not world:
            distinct.append(world)
        rows.append(len(distinct) - 1)
    return WorldState.cat(distinct).select(rows)
