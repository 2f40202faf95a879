"""The best N moves of pods: patterns of nodes by column generation, made whole, put in order, and filled up.

Prices come from the master program's relaxation; patterns that beat them are added until none is found, at first with
few states of each node in view and then with more. What is chosen is never less than steepest descent finds, which is
tried first, and while something may be left to gain it is improved by taking back and moving anew. The bound is
Lagrangian: at any prices, no N moves gain more than N times the price of a move and, for each node, the most that a
pattern of it earns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from foresail.policies.rescheduling.descent import descend
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard, PodMove
from foresail.policies.rescheduling.gpu_master import Master
from foresail.policies.rescheduling.gpu_pricing import Prices, Pricing
from foresail.policies.rescheduling.gpu_realise import assign, perform
from foresail.policies.rescheduling.neighbourhood import improve
from foresail.policies.rescheduling.pods import PodInstance

Clock = Callable[[], float]  # CPU seconds

_BEAMS: Final = (4, 16, 64)  # states of each node in view: more when fewer show nothing new
_IN_VIEW: Final = 5000  # states, all nodes together: no more nodes' worth than this
_COMERS_EACH: Final = 12
_SLACK: Final = 0.5  # thousandths of a card: what a pattern must earn beyond its node's price
_NEAR: Final = 300.0  # thousandths of a card: patterns that miss their price by more are not in a whole solution
_CLOSE: Final = 1e-3  # of a gain: what fractions of patterns gain beyond it is not worth another search
_WHOLE: Final = 0.25  # part of the time for whole patterns
_COLUMNS, _IMPROVED, _PROOF = 0.4, 0.75, 1.0  # parts of the time at which patterns, improving and proving end


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Moves, and what is known of better ones.

    Args:
        moves: In order; each finds its room when those before it are made.
        gain: Of the measure's worth.
        most: No as many moves gain more; infinite where nothing is proven.
        unordered: Pods that were to move as well, and for whose moves no order was found.
    """

    moves: tuple[PodMove, ...]
    gain: float
    most: float
    unordered: tuple[int, ...] = ()


def search(
    instance: PodInstance, measure: ExpectedFragmentation, moves: int, clock: Clock, seconds: float, seed: int = 0
) -> Found:
    """The best moves that are found within CPU seconds by a clock, at most so many."""
    begun = clock()
    board = PodBoard(instance, measure)
    before = board.worth()
    descend(board, moves, again=lambda: clock() - begun < seconds)
    winner, gain, most = board, board.worth() - before, 0.0
    wanted: set[int] = set()
    if moves and not board.fixed.all():
        patterns = _Patterns(PodBoard(instance, measure), moves, lambda part: clock() - begun < part * seconds)
        relaxed, prices = patterns.generate()
        chosen = patterns.carry_out(prices, _WHOLE * seconds)
        rivals = [board, chosen]
        if relaxed - (chosen.worth() - before) > _CLOSE * relaxed:
            rivals.append(patterns.improved(max(rivals, key=PodBoard.worth), np.random.default_rng(seed)))
        winner = max(rivals, key=PodBoard.worth)
        gain = winner.worth() - before
        wanted = {pod for rival in rivals for pod in rival.unordered}
        most = max(min(patterns.most(prices), measure.most_usable(board.free) - before), gain)
    unordered = sorted(wanted - {move.pod for move in winner.trail})
    return Found(tuple(winner.trail), gain, most, tuple(unordered))


class _Patterns:
    def __init__(self, board: PodBoard, moves: int, within: Callable[[float], bool]) -> None:
        self._board, self._moves, self._within = board, moves, within
        self._pricing = Pricing(board)
        self._master = Master(board, self._pricing.nodes, moves)
        first = self._pricing.first(_COMERS_EACH)
        self._master.add(first, self._pricing.gain(first))

    def generate(self) -> tuple[float, Prices]:
        """What fractions of patterns gain, and the prices at that."""
        nodes = len(self._board.place_host)
        beams = iter(beam for beam in _BEAMS if beam == _BEAMS[0] or beam * nodes <= _IN_VIEW)
        beam = next(beams)
        relaxed, prices = self._master.relax()
        while self._within(_COLUMNS):
            better = self._pricing.better(prices, beam, _SLACK, lambda: self._within(_COLUMNS))
            if self._master.add(better, self._pricing.gain(better)):
                relaxed, prices = self._master.relax()
            elif (beam := next(beams, 0)) == 0:
                break
        return relaxed, prices

    def carry_out(self, prices: Prices, seconds: float) -> PodBoard:
        """Whole patterns, as far as they can be carried out, and what single moves add."""
        return self._made(assign(self._board, self._master.choose(prices, _NEAR, seconds)))

    def improved(self, start: PodBoard, rng: np.random.Generator) -> PodBoard:
        """What is made better of a plan by taking back some of it at a time."""
        board = PodBoard(self._board.instance, self._board.measure)
        for move in start.trail:
            board.put(move.pod, move.node, move.taken)
        improve(board, self._moves, rng, lambda: self._within(_IMPROVED))
        return self._made(board.away())

    def _made(self, moves: list[PodMove]) -> PodBoard:
        board = PodBoard(self._board.instance, self._board.measure)
        perform(board, moves)
        moved = board.fixed.copy()
        moved[[move.pod for move in board.trail]] = True
        descend(board, self._moves - len(board.trail), fixed=moved)
        return board

    def most(self, prices: Prices) -> float:
        """What no so many moves gain more than."""
        if not self._pricing.whole:
            return float("inf")
        alone = self._pricing.by_leaving_alone(self._moves)
        limit = self._pricing.unbeaten(prices, _SLACK, lambda: self._within(_PROOF))
        return alone if limit is None else min(alone, self._moves * prices.move + float(limit.sum()))
