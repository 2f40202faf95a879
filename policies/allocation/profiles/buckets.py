"""Size buckets: requests by input and output length, and capacities carried from one set of edges to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Upper edges in tokens, rising: shapes (I,) and (J,). A bucket is served as its largest request."""

    input_edges: FloatArray
    output_edges: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a matrix over the buckets."""
        return len(self.input_edges), len(self.output_edges)

    def matches(self, other: Buckets) -> bool:
        """Whether the edges are the same."""
        return np.array_equal(self.input_edges, other.input_edges) and np.array_equal(
            self.output_edges, other.output_edges
        )


def resample(capacity_rps: FloatArray, source: Buckets, wanted: Buckets) -> FloatArray:
    """Carry capacities over to other edges: linear between logarithms of rate and length, never optimistic.

    Below the smallest edge the smallest bucket's capacity holds, which is less than the truth. Beyond the largest edge,
    and beside a bucket that cannot be served, nothing is known to be served: 0.
    """
    rows, row_share = _position(source.input_edges, wanted.input_edges)
    columns, column_share = _position(source.output_edges, wanted.output_edges)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.pad(capacity_rps, ((0, 1), (0, 1))))
        by_row = _between(logs[rows], logs[rows + 1], row_share[:, None])
        both = _between(by_row[:, columns], by_row[:, columns + 1], column_share[None, :])
    return np.exp(both)


def _position(edges: FloatArray, wanted: FloatArray) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], FloatArray]:
    """Index of the edge below each wanted length, and the share of the way to the next; index n: beyond all."""
    logs = np.interp(np.log(wanted), np.log(edges), np.arange(len(edges)))
    logs = np.where(wanted > edges[-1], len(edges) - 0.5, logs)  # half way to the padding, which serves nothing
    below = np.minimum(np.floor(logs).astype(np.intp), len(edges) - 1)
    return below, logs - below


def _between(low: FloatArray, high: FloatArray, share: FloatArray) -> FloatArray:
    """Interpolate; an end with no share has no say, so that minus infinity counts only where it is needed."""
    return np.where(share == 0.0, low, np.where(share == 1.0, high, (1.0 - share) * low + share * high))
