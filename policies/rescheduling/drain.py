"""Whole free nodes of eight cards: which nodes to empty within N moves, and where their pods go.

A node is emptied by moving all its pods with cards; pods without any may stay. So the cheapest nodes are those with the
fewest such pods, and no N moves can empty more than as many of the cheapest as N pays for: that is the bound. Nodes
with a pod of eight cards are left out of it: where no node has more cards, such a pod takes up a whole one anywhere.
Where moves have a price, nodes with so many pods that their moves cost more than a node is worth are not emptied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard, PodMove
from foresail.policies.rescheduling.pods import PodInstance

NODE_CARDS: Final = 8  # of a node that counts
_ROUNDING: Final = 1e-9  # nodes
_TRIES: Final = 24  # orders in which nodes are emptied: by pods first, then shuffled among equals


@dataclass(frozen=True, slots=True, eq=False)
class Drained:
    """Moves that empty nodes, in order.

    Args:
        moves: Each finds its room when those before it are made.
        whole: Free nodes of eight cards afterwards.
        most: No as many moves leave more of them, less the price of the moves.
        certified: Whether these moves do.
    """

    moves: tuple[PodMove, ...]
    whole: int
    most: float
    certified: bool


def whole_free_nodes(instance: PodInstance, host: IntArray) -> BoolArray:
    """(N,) nodes of eight cards of which no pod (P,) holds one."""
    return np.asarray((instance.node_cards == NODE_CARDS) & (_with_cards(instance, host) == 0))


def drain(
    instance: PodInstance,
    measure: ExpectedFragmentation,
    moves: int,
    again: Callable[[], bool],
    rng: np.random.Generator,
    price: float = 0.0,
) -> Drained:
    """Empty as many nodes as moves allow; pods go where that costs the measure the least.

    Args:
        instance: Pods on nodes.
        measure: By which places are chosen.
        moves: At most.
        again: Whether there is time for another try.
        rng: Shuffles nodes with as many pods.
        price: What each move must gain, in nodes.
    """
    start, costs = PodBoard(instance, measure), _costs(instance)
    if price > 0.0:
        costs[costs * price > 1.0 + _ROUNDING] = np.inf
    free = int(whole_free_nodes(instance, instance.pod_node).sum())
    paid = np.sort(costs[costs < np.inf]).cumsum()
    paid = paid[paid <= moves]
    most = free + len(paid) - price * float(paid[-1:].sum())
    best: list[PodMove] = []
    whole, net = free, float(free)
    for attempt in range(_TRIES):
        if net >= most - _ROUNDING or (attempt and not again()):
            break
        board = PodBoard(instance, measure) if attempt else start
        size = np.zeros(len(costs)) if attempt % 2 else _load(instance)
        order = np.lexsort((rng.random(len(costs)), size, costs))
        emptied = _empty(board, [int(node) for node in order if costs[node] <= moves], moves)
        if free + emptied - price * len(board.trail) > net:
            best, whole, net = board.trail, free + emptied, free + emptied - price * len(board.trail)
    return Drained(tuple(best), whole, most, certified=net >= most - _ROUNDING)


def _empty(board: PodBoard, order: list[int], moves: int) -> int:
    """Empty nodes in an order, each in full or not at all; says how many."""
    emptied, closed = 0, whole_free_nodes(board.instance, board.host)
    for place, node in enumerate(order):
        with_cards = board.instance.pod_cards > 0
        pods = np.flatnonzero((board.host == node) & with_cards)
        if len(board.trail) + len(pods) > moves:
            continue
        # First without the nodes that are cheap to empty too, then wherever there is room.
        later = order[place + 1 : place + 1 + moves]
        spared = closed.copy()
        spared[later] = True
        if _leave(board, pods, spared, node) or _leave(board, pods, closed, node):
            closed[node] = True
            emptied += 1
    return emptied


def _leave(board: PodBoard, pods: IntArray, closed: BoolArray, node: int) -> bool:
    """Move pods off a node, the largest first, to nodes that are not closed; all of them, or none."""
    instance, made = board.instance, len(board.trail)
    cards = instance.pod_cards[pods] * instance.pod_share_milli[pods]
    for pod in pods[np.lexsort((-instance.pod_cpu_milli[pods], -cards))].tolist():
        arriving = np.where(closed, -np.inf, board.arriving[board.kind[pod]])
        arriving[node] = -np.inf
        target = int(arriving.argmax())
        if board.fixed[pod] or arriving[target] == -np.inf or _moved(board, pod):
            _take_back(board, made)
            return False
        board.move(pod, target)
    return True


def _moved(board: PodBoard, pod: int) -> bool:
    return any(move.pod == pod for move in board.trail)


def _take_back(board: PodBoard, made: int) -> None:
    """Undo all moves after so many; each of these pods has moved once, so its place is where it began."""
    undone = board.trail[made:]
    for move in reversed(undone):
        board.home(move.pod)
    del board.trail[made:]


def _costs(instance: PodInstance) -> FloatArray:
    """(N,) moves that it takes to empty a node; infinite where it is empty, cannot be, or frees nothing."""
    cards = instance.pod_cards > 0
    stuck = cards & (~instance.movable | ~instance.cards_known)
    if instance.node_cards.max(initial=0) <= NODE_CARDS:
        stuck |= instance.pod_cards == NODE_CARDS
    costs = _with_cards(instance, instance.pod_node).astype(np.float64)
    costs[(instance.node_cards != NODE_CARDS) | (costs == 0)] = np.inf
    costs[instance.pod_node[stuck]] = np.inf
    return costs


def _with_cards(instance: PodInstance, host: IntArray) -> IntArray:
    return np.bincount(host[instance.pod_cards > 0], minlength=len(instance.nodes))


def _load(instance: PodInstance) -> FloatArray:
    """(N,) thousandths of cards that are held: what has to go elsewhere."""
    held = instance.held_milli.sum(axis=1)
    return np.bincount(instance.pod_node, held, len(instance.nodes)).astype(np.float64)
