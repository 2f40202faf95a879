"""The best N moves of pods: patterns of nodes by column generation, made whole, put in order, and filled up.

Prices come from the master program's relaxation; patterns that beat them are added until none is found, at first with
few states of each node in view and then with more. What is chosen is never less than steepest descent finds, which is
tried first, and while something may be left to gain it is improved by taking back and moving anew. The bound is
Lagrangian: at any prices, no N moves gain more than N times the price of a move and, for each node, the most that a
pattern of it earns.

Moves may have a price of their own, and then what counts is what is gained less that: patterns are weighed so, single
moves and groups are left out that gain less, and the bound is on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np

from foresail.policies.rescheduling.descent import LEAST_GAIN, descend
from foresail.policies.rescheduling.earning import earning
from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard, PodMove
from foresail.policies.rescheduling.gpu_master import Master
from foresail.policies.rescheduling.gpu_pricing import Prices, Pricing
from foresail.policies.rescheduling.gpu_realise import assign, flows, perform, resources, worth
from foresail.policies.rescheduling.neighbourhood import improve
from foresail.policies.rescheduling.pods import PodInstance

_BEAMS: Final = (4, 16, 64)  # states of each node in view: more when fewer show nothing new
_IN_VIEW: Final = 5000  # states, all nodes together: no more nodes' worth than this
_COMERS_EACH: Final = 12
_SLACK: Final = 0.5  # thousandths of a card: what a pattern must earn beyond its node's price
_NEAR: Final = 300.0  # thousandths of a card: patterns that miss their price by more are not in a whole solution
_CLOSE: Final = 1e-3  # of a gain: what fractions of patterns gain beyond it is not worth another search
_ROUNDING: Final = 1e-9  # moves
_WHOLE: Final = 0.25  # part of the time for whole patterns
_COLUMNS, _IMPROVED, _PROOF = 0.4, 0.75, 1.0  # parts of the time at which patterns, improving and proving end


@dataclass(frozen=True, slots=True)
class Aim:
    """What is sought.

    Args:
        moves: At most.
        price: What each must gain, in the measure's worth.
        proven: Whether to prove how much no as many moves gain more than.
    """

    moves: int
    price: float = 0.0
    proven: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Moves, and what is known of better ones.

    Args:
        moves: In order; each finds its room when those before it are made.
        gain: Of the measure's worth.
        limits: Rate and rest of each bound: no n moves gain more, less their price, than n times the rate and the rest.
        unordered: Pods that were to move as well, and for whose moves no order was found.
    """

    moves: tuple[PodMove, ...]
    gain: float
    limits: tuple[tuple[float, float], ...]
    unordered: tuple[int, ...] = ()

    def most(self, moves: int) -> float:
        """What no so many moves gain more than, less their price; infinite where nothing is proven."""
        return min((moves * rate + rest for rate, rest in self.limits), default=inf)

    def fewest(self, wanted: float) -> float:
        """No fewer moves gain what is wanted; infinite where none do."""
        counts = ((wanted - rest) / rate if rate > 0 else inf for rate, rest in self.limits if rest < wanted)
        return float(np.ceil(max(counts, default=0.0) - _ROUNDING))


def search(instance: PodInstance, measure: ExpectedFragmentation, aim: Aim, effort: Effort) -> Found:
    """The best moves that are found."""
    begun = effort.clock()

    def within(part: float) -> bool:
        return effort.clock() - begun < part * effort.seconds

    board = PodBoard(instance, measure)
    before = board.worth()

    def net(plan: PodBoard) -> float:
        return plan.worth() - before - aim.price * len(plan.trail)

    usable = (0.0, measure.most_usable(board.free) - before)
    descend(board, aim.moves, least_gain=max(aim.price, LEAST_GAIN), again=lambda: within(1.0))
    rivals, limits = [_earned(board, aim.price)], [usable]
    if not aim.moves or board.fixed.all():
        return Found((), 0.0, ((0.0 if board.fixed.all() else usable[1], 0.0),))
    patterns = _Patterns(PodBoard(instance, measure), aim, within)
    relaxed, prices = patterns.generate()
    rivals.append(patterns.carry_out(prices, _WHOLE * effort.seconds))
    if relaxed - net(rivals[-1]) > _CLOSE * relaxed:
        rivals.append(patterns.improved(max(rivals, key=net), np.random.default_rng(effort.seed)))
    winner = max(rivals, key=net)
    if aim.proven:
        limits += patterns.limits(prices)
    unordered = {pod for rival in rivals for pod in rival.unordered} - {move.pod for move in winner.trail}
    return Found(tuple(winner.trail), winner.worth() - before, tuple(limits), tuple(sorted(unordered)))


def _earned(board: PodBoard, price: float) -> PodBoard:
    """A plan without the moves that gain less than their price."""
    instance, measure, trail = board.instance, board.measure, board.trail
    least = max(price - LEAST_GAIN, LEAST_GAIN)
    kept = earning(resources(instance), flows(instance, trail), lambda _, free: worth(measure, free), least)
    if len(kept) == len(trail):
        return board
    earned = PodBoard(instance, measure)
    for place in kept:
        earned.put(trail[place].pod, trail[place].node, trail[place].taken)
    earned.unordered = board.unordered
    return earned


class _Patterns:
    def __init__(self, board: PodBoard, aim: Aim, within: Callable[[float], bool]) -> None:
        self._board, self._moves, self._price, self._within = board, aim.moves, aim.price, within
        self._settled = False  # whether no pattern was missing when time for them ended
        self._pricing = Pricing(board)
        self._master = Master(board, self._pricing.nodes, aim.moves, aim.price)
        first = self._pricing.first(_COMERS_EACH)
        self._master.add(first, self._pricing.gain(first))

    def generate(self) -> tuple[float, Prices]:
        """What fractions of patterns gain less their price, and the prices at that."""
        nodes = len(self._board.place_host)
        beams = iter(beam for beam in _BEAMS if beam == _BEAMS[0] or beam * nodes <= _IN_VIEW)
        beam = next(beams)
        relaxed, prices = self._master.relax()
        while self._within(_COLUMNS):
            better = self._pricing.better(prices, beam, _SLACK, lambda: self._within(_COLUMNS))
            if self._master.add(better, self._pricing.gain(better)):
                relaxed, prices = self._master.relax()
            elif (beam := next(beams, 0)) == 0:
                self._settled = True
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
        end = _IMPROVED if self._settled else _PROOF
        improve(board, self._moves, rng, lambda: self._within(end), self._price)
        return self._made(board.away())

    def _made(self, moves: list[PodMove]) -> PodBoard:
        board = PodBoard(self._board.instance, self._board.measure)
        perform(board, moves, self._moves)
        moved = board.fixed.copy()
        moved[[move.pod for move in board.trail]] = True
        descend(board, self._moves - len(board.trail), least_gain=max(self._price, LEAST_GAIN), fixed=moved)
        return _earned(board, self._price)

    def limits(self, prices: Prices) -> list[tuple[float, float]]:
        """Rates and rests of bounds."""
        if not self._pricing.whole:
            return []
        alone = self._pricing.by_leaving_alone(self._moves, self._price)
        if not self._settled:  # to find all patterns at once takes longer than to find some
            return [alone]
        limit = self._pricing.unbeaten(prices, _SLACK, lambda: self._within(_PROOF))
        return [alone] if limit is None else [alone, (prices.move - self._price, float(limit.sum()))]
