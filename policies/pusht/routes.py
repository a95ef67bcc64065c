"""Shortest ways of the PushT pusher around the block: a chess king's moves on a board laid through where it stands."""

import heapq
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.pusht.actions import REACH
from envs.pusht.physics import WorldPoses, advance
from envs.pusht.shapes import AGENT_RADIUS, WALL, WORKSPACE, Point, Points, Pose, distance_to_t

Move = tuple[float, float]  # the numbers of an action, each from -1 to 1
Node = tuple[int, int]  # a place on the board, as steps along its two axes

_CLEARANCE = 1.0  # workspace pixels that a way keeps from the block
_DIAGONAL = 1.001  # the price of a diagonal step: ways are straight where they can be


@dataclass(frozen=True, kw_only=True)
class Board:
    """A square board over the workspace.

    Attributes:
        origin: the place of node (0, 0).
        axis: the move along the first axis; the second is at a right angle, clockwise on the screen.
    """

    origin: Point
    axis: Move = (1.0, 0.0)

    def move(self, x: int, y: int) -> Move:
        """The king's move by -1, 0 or 1 along each axis."""
        return x * self.axis[0] - y * self.axis[1], x * self.axis[1] + y * self.axis[0]

    @property
    def moves(self) -> list[Move]:
        """The king's eight moves."""
        return [self.move(x, y) for x, y in KING_STEPS]

    @property
    def reach(self) -> float:
        """The length of a straight move in workspace pixels."""
        return REACH * math.hypot(*self.axis)

    def places(self, nodes: npt.ArrayLike) -> Points:
        """The places of nodes, (..., 2)."""
        x, y = self.axis
        return np.asarray(np.asarray(nodes) @ np.array([[x, y], [-y, x]]) * REACH + self.origin)


KING_STEPS: tuple[Node, ...] = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
STRAIGHT_AXIS: Move = (1.0, 0.0)  # of the board whose moves are the eight texts


def tilted_axis(rng: np.random.Generator) -> Move:
    """The axis of a board of any angle whose moves are at most as long as numbers can say."""
    angle = rng.uniform(0.0, math.pi / 2)
    size = rng.uniform(0.6, 1.0) / (math.cos(angle) + math.sin(angle))
    return size * math.cos(angle), size * math.sin(angle)


@dataclass(frozen=True, kw_only=True)
class Push:
    """A push that the pusher can get to.

    Attributes:
        way: the moves to where it begins.
        start: the world when the pusher is there.
        move: the first move of the push.
    """

    way: list[Move]
    start: WorldPoses
    move: Move


@dataclass(frozen=True, kw_only=True)
class Routes:
    """All nodes of a board that the pusher can step to without touching the block.

    Attributes:
        board: its origin is where the pusher stands.
        lengths: what each node costs, about 1 a step.
        parents: how each was reached.
    """

    board: Board
    lengths: dict[Node, float]
    parents: dict[Node, tuple[Node, Node]]

    def moves_to(self, node: Node) -> list[Move]:
        """The way to a node."""
        way = []
        while node in self.parents:
            node, step = self.parents[node]
            way.append(self.board.move(*step))
        return way[::-1]

    def pushes(self, block: Pose) -> list[Push]:
        """All moves that touch the block from a node beside it."""
        nodes = list(self.lengths)
        places = self.board.places(nodes)
        pushes = []
        for step in KING_STEPS:
            move = self.board.move(*step)
            gaps = distance_to_t(block.unplace(places + REACH * np.array(move))) - AGENT_RADIUS
            for i in np.flatnonzero(gaps < 0).tolist():
                start = WorldPoses(agent=(float(places[i, 0]), float(places[i, 1])), block=block)
                pushes.append(Push(way=self.moves_to(nodes[i]), start=start, move=move))
        return pushes


def search(poses: WorldPoses, axis: Move = STRAIGHT_AXIS) -> Routes:
    """Dijkstra from the pusher."""
    board = Board(origin=poses.agent, axis=axis)
    free = _Free(board, poses.block)
    start = (0, 0)
    lengths: dict[Node, float] = {start: 0.0}
    parents: dict[Node, tuple[Node, Node]] = {}
    heap = [(0.0, start)]
    while heap:
        cost, node = heapq.heappop(heap)
        if cost > lengths[node]:
            continue
        for step in KING_STEPS:
            there = (node[0] + step[0], node[1] + step[1])
            length = cost + (_DIAGONAL if all(step) else 1.0)
            if length < lengths.get(there, math.inf) and free.step(node, there):
                lengths[there] = length
                parents[there] = (node, step)
                heapq.heappush(heap, (length, there))
    return Routes(board=board, lengths=lengths, parents=parents)


class _Free:
    """Where the pusher can stand, tried at all nodes of a board and in the middles between them."""

    def __init__(self, board: Board, block: Pose) -> None:
        self._size = 2 * int(1.5 * WORKSPACE / board.reach) + 2  # the workspace's diagonal either way, in half steps
        halves = np.arange(-self._size, self._size + 1) / 2
        points = board.places(np.stack(np.meshgrid(halves, halves, indexing="ij"), -1))
        edge = WALL + AGENT_RADIUS - 1.0  # the pusher may rest against a wall
        inside = ((points >= edge) & (points <= WORKSPACE - edge)).all(-1)
        free = inside & (distance_to_t(block.unplace(points)) > AGENT_RADIUS + _CLEARANCE)
        self._free: list[list[bool]] = free.tolist()

    def step(self, node: Node, there: Node) -> bool:
        """Whether the middle and the end of a step are free."""
        middle = self._free[self._size + node[0] + there[0]][self._size + node[1] + there[1]]
        return middle and self._free[self._size + 2 * there[0]][self._size + 2 * there[1]]


def moved(poses: WorldPoses, move: Move) -> WorldPoses:
    """The world after a move."""
    return advance(poses, (REACH * move[0], REACH * move[1]))
