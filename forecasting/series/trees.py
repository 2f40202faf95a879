"""Extremely randomized trees, grown all together: a node is split by the best of a few random questions.

A question is one regressor and the value of it that a random row of the node has, so that spikes and units do not
matter; the best one leaves least variance of the outcome. Rows that share a leaf are alike.

References:
    Geurts, Ernst and Wehenkel (2006), Extremely Randomized Trees, Machine Learning 63.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.forecasting.moving import IntArray

MOST_DEPTH = 24


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """Nodes of all trees in one list, the roots first, one for each tree.

    Args:
        regressor: What a node asks, shape (M,).
        threshold: Rows with less go to the child, others to the one behind it, shape (M,).
        child: Place of the first child, 0 in a leaf, shape (M,).
        count: Trees.
    """

    regressor: IntArray
    threshold: FloatArray
    child: IntArray
    count: int

    def leaves(self, inputs: FloatArray) -> IntArray:
        """The leaf of each row (n, F) in each tree, shape (n, trees)."""
        node = np.tile(np.arange(self.count), (len(inputs), 1))
        rows = np.arange(len(inputs))[:, None]
        while self.child[node].any():
            right = inputs[rows, self.regressor[node]] >= self.threshold[node]
            node = np.where(self.child[node] > 0, self.child[node] + right, node)
        return node


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The nodes of one depth that may still be split.

    Args:
        places: Of the nodes in the list, shape (G,).
        rows: Of all nodes, in order of the nodes, shape (R,).
        sizes: Rows of each node, shape (G,).
    """

    places: IntArray
    rows: IntArray
    sizes: IntArray


def grow(inputs: FloatArray, outcomes: FloatArray, *, trees: int, questions: int, leaf: int, seed: int) -> Trees:
    """Grow trees on all rows.

    Args:
        inputs: Shape (n, F), finite.
        outcomes: Shape (n,), finite.
        trees: Their number.
        questions: Random ones from which the best is taken at each node.
        leaf: Least rows of a leaf.
        seed: Of the questions.
    """
    rng = np.random.default_rng(seed)
    count = len(inputs)
    most = trees * (2 * max(count // leaf, 1))
    regressor, threshold, child = np.zeros(most, np.intp), np.zeros(most), np.zeros(most, np.intp)
    made = trees
    level: _Level | None = _Level(np.arange(trees), np.tile(np.arange(count), trees), np.full(trees, count))
    centered = outcomes - outcomes.mean()
    for _ in range(MOST_DEPTH):
        if level is None:
            break
        asked, least = _best_questions(level, inputs, centered, questions, leaf, rng)
        split = asked >= 0
        at = level.places[split]
        regressor[at], threshold[at] = asked[split], least[split]
        child[at] = made + 2 * np.arange(at.size)
        level = _children(level, inputs, asked, least, made, leaf) if split.any() else None
        made += 2 * at.size
    return Trees(regressor[:made], threshold[:made], child[:made], trees)


def _best_questions(
    level: _Level, inputs: FloatArray, outcomes: FloatArray, questions: int, leaf: int, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Regressor and threshold for each node, shape (G,) each; regressor -1 where no question parts the node."""
    count, cells, width = level.sizes.size, inputs.ravel(), inputs.shape[1]
    starts = np.cumsum(level.sizes) - level.sizes
    line = level.rows * width
    reached = outcomes[level.rows]
    total = np.add.reduceat(reached, starts)
    best = total * total / level.sizes * (1.0 + 1e-9)  # what the undivided node explains
    asked, least = np.full(count, -1), np.zeros(count)
    for _ in range(questions):
        regressor = rng.integers(width, size=count)
        chosen = starts + (rng.random(count) * level.sizes).astype(np.intp)
        threshold = inputs[level.rows[chosen], regressor]
        left = cells.take(line + np.repeat(regressor, level.sizes)) < np.repeat(threshold, level.sizes)
        size = np.add.reduceat(left, starts, dtype=np.float64)
        held = np.add.reduceat(left * reached, starts)
        rest = level.sizes - size
        explained = held * held / np.maximum(size, 1.0) + (total - held) ** 2 / np.maximum(rest, 1.0)
        better = (size >= leaf) & (rest >= leaf) & (explained > best)
        best, asked, least = (
            np.where(better, new, old) for new, old in ((explained, best), (regressor, asked), (threshold, least))
        )
    return asked, least


def _children(
    level: _Level, inputs: FloatArray, asked: IntArray, least: FloatArray, made: int, leaf: int
) -> _Level | None:
    """The level below: children that are large enough to be split, and their rows in order; None without any."""
    node = np.repeat(np.arange(level.sizes.size), level.sizes)
    kept = asked[node] >= 0
    number = (np.cumsum(asked >= 0) - 1)[node[kept]]
    rows = level.rows[kept]
    right: BoolArray = inputs[rows, asked[node[kept]]] >= least[node[kept]]
    side = 2 * number + right
    sizes = np.bincount(side)
    large = sizes >= 2 * leaf
    rows, side = rows[large[side]], side[large[side]]
    order = np.argsort(side, kind="stable")
    return _Level(made + np.flatnonzero(large), rows[order], sizes[large]) if large.any() else None
