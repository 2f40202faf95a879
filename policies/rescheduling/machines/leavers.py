"""Ways in which VMs can leave a group of them: a NUMA node's single ones, or a machine's double ones."""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.programs.linear import IntArray


class Leavers:
    """Ways of G groups, in the order of the groups, and the U different amounts that they free.

    Where VMs are of so many shapes that there are too many ways, only those in which few leave are listed, and one more
    that is better than any other: all room for the price of the cheapest few. It cannot be carried out, but keeps what
    is concluded from it on the safe side.

    Args:
        count: (G, K) VMs of each shape.
        size: (K,) CPU that each takes.
        memory: (K,).
        moves: More than so many never leave.
        most_ways: That are listed, over all groups.

    Attributes:
        group: (U,) of each amount.
        cpu: (U,) freed.
        memory: (U,) likewise.
        ends: (G + 1,) amounts of group g are those from ends[g] on, and before ends[g + 1].
    """

    def __init__(self, count: IntArray, size: IntArray, memory: IntArray, moves: int, most_ways: int) -> None:
        self._shapes = count.shape[1]
        rows = _ways(count, moves, most_ways)
        group, beyond, number, kind = rows[:, 0], rows[:, 1], *np.split(rows[:, 2:], 2, axis=1)
        cpu, freed = ((np.append(each, 0)[kind] * number).sum(axis=1) for each in (size, memory))
        order = np.lexsort((freed, cpu, group))
        keys = np.stack((group, cpu, freed))[:, order]
        new = np.append(True, (keys[:, 1:] != keys[:, :-1]).any(axis=0))
        self._number, self._kind, self._beyond = number[order], kind[order], beyond[order]
        self._ways = np.append(np.flatnonzero(new), len(order))  # of amount u: from ways[u] on
        self.group, self.cpu, self.memory = keys[:, new]
        self.ends = np.searchsorted(self.group, np.arange(len(count) + 1))

    def costs(self, price: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(U,) of the cheapest way to free each amount, and (L,) of each way, when each shape has a price."""
        known = np.append(price, 0.0)
        each = np.einsum("ld,ld->l", known[self._kind], self._number)
        beyond = np.flatnonzero(self._beyond)
        cheapest = np.append(price, np.inf)[self._kind[beyond]].min(axis=1, initial=np.inf)
        each[beyond] = self._beyond[beyond] * cheapest
        return np.minimum.reduceat(each, self._ways[:-1]), each

    def read(self, amounts: IntArray, each: FloatArray) -> tuple[IntArray, BoolArray]:
        """(M, K) who leaves in the cheapest way to free each of M amounts, and (M,) whether that can be carried out."""
        ways = least(each, self._ways, amounts)
        leave = np.zeros((len(amounts), self._shapes + 1), np.int64)
        np.add.at(leave, (np.arange(len(amounts))[:, None], self._kind[ways]), self._number[ways])
        return leave[:, : self._shapes], self._beyond[ways] == 0


def least(values: FloatArray, ends: IntArray, groups: IntArray) -> IntArray:
    """(M,) where the least value is of each of M groups: group g is from ends[g] on, and before ends[g + 1]."""
    sizes = ends[groups + 1] - ends[groups]
    starts = np.cumsum(sizes) - sizes
    group = np.repeat(np.arange(len(groups)), sizes)
    places = ends[groups][group] + np.arange(len(group)) - starts[group]
    lowest = np.flatnonzero(values[places] <= np.minimum.reduceat(values[places], starts)[group])
    return np.asarray(places[lowest[np.searchsorted(lowest, starts)]])


def _ways(count: IntArray, moves: int, most_ways: int) -> IntArray:
    """Rows of group, VMs that leave at least beyond what is listed (0: it is listed), numbers, and their shapes."""
    shapes = [np.flatnonzero(row) for row in count]
    several = [row[which] for row, which in zip(count, shapes, strict=True)]
    width, blocks = max(map(len, shapes)), []
    for group, (here, which, most) in enumerate(zip(several, shapes, _limits(several, moves, most_ways), strict=True)):
        listed = _listed(here, most)
        beyond = [most + 1] * (most < min(int(here.sum()), moves))
        block = np.zeros((len(listed) + len(beyond), 2 + 2 * width), np.int64)
        block[:, 0], block[:, 2 + width :] = group, count.shape[1]
        block[len(listed) :, 1] = beyond
        block[:, 2 : 2 + len(which)] = np.vstack((listed, *[here] * len(beyond)))
        block[:, 2 + width : 2 + width + len(which)] = which
        blocks.append(block)
    return np.concatenate(blocks)


def _limits(counts: list[IntArray], moves: int, most_ways: int) -> list[int]:
    """How many VMs leave each group at most, so that there are not too many ways of all groups."""
    ways = [_cumulated(count) for count in counts]
    most = most_ways
    while sum(min(row[-1], most) for row in ways) > most_ways and most > 1:
        most //= 2
    return [min(int(np.searchsorted(row, most, side="right")) - 1, moves) for row in ways]


def _cumulated(count: IntArray) -> FloatArray:
    """Ways in which at most 0, 1, … VMs leave."""
    ways = np.ones(1)
    for number in count.tolist():
        ways = np.convolve(ways, np.ones(number + 1))
    return np.asarray(ways.cumsum())


def _listed(count: IntArray, most: int) -> IntArray:
    """All ways in which at most so many leave, a row each."""
    ways = np.zeros((1, 0), np.int64)
    for number in count.tolist():
        longer = np.repeat(ways, number + 1, axis=0)
        ways = np.hstack((longer, np.tile(np.arange(number + 1), len(ways))[:, None]))
        ways = ways[ways.sum(axis=1) <= most]
    return ways
