r"""The count of least expected loss: a newsvendor over sample paths of required replicas.

    loss(n) = Σ replicas · price + u · E[(R - n)⁺] + switching · |n - current|,      u = price / (1 - critical ratio)
              + price / a · (E[(R - n)⁺] - a · E[R])⁺

A replica too many costs its price, one too few costs u minus its price: with one variant the cheapest n is the smallest
one that suffices with the critical ratio's probability, smoothed over the width of a replica (the marginal gain of a
replica is the mean of P(R > x) over x in [n, n + 1]), which matters for small fleets.

With several variants n counts rungs of a ladder: first the minima, then the cheapest variant per work up to its
maximum, then the next; and beside the ladder the mixes of two variants that just carry the demand (`mixes.py`). A
replica of variant v is worth R_ref/R_v replicas of the first variant, path by path.

The second line is the promise: of the work a share of a may go unserved, and what goes beyond costs as if each replica
had to suffice with certainty 1 - a. Of one variant's counts u alone picks the first that keeps it; mixes come in other
steps, and where workloads compete, u alone would give the last replica away for nothing.

References:
    Arrow, Harris, Marschak (1951), "Optimal Inventory Policy", Econometrica 19(3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import FloatArray
from foresail.policies.scaling.mixes import variant_mixes

Rungs = NDArray[np.intp]
# A loss must be beaten by more than rounding; ties go to fewer replicas.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of one choice.

    Args:
        usd_per_hour: One replica of each variant, length V.
        critical_ratio: Probability with which the replicas must suffice, in [0, 1).
        switching_share: Price of switching one replica as a share of its price.
        allowed_share: Share of the work that the promise lets go unserved, in (0, 1].
    """

    usd_per_hour: tuple[float, ...]
    critical_ratio: float
    switching_share: float = 0.0
    allowed_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one choice by variant, each of length V: least ≤ most.

    The last variant of the ladder may go `beyond`, so that whoever keeps the bounds can say what was wanted. Without
    `swaps` no variant gets more while another gets less.
    """

    least: tuple[int, ...]
    most: tuple[int, ...]
    beyond: int = 0
    swaps: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen counts by variant.

    Args:
        counts: Length V.
        loss_usd_per_hour: Expected, of these counts.
        unserved_replicas: Expected unserved demand, in replicas of the reference variant.
    """

    counts: tuple[int, ...]
    loss_usd_per_hour: float
    unserved_replicas: float

    @property
    def total(self) -> int:
        """Replicas over all variants."""
        return sum(self.counts)


@dataclass(frozen=True, eq=False)
class Offers:
    """Counts that are worth a thought, the fewest replicas first, with what they are expected to lose.

    Args:
        counts: Replicas by variant, shape (N, V).
        loss_usd_per_hour: Expected, shape (N,).
        unserved_replicas: Expected unserved demand, in replicas of the reference variant, shape (N,).
    """

    counts: NDArray[np.intp]
    loss_usd_per_hour: FloatArray
    unserved_replicas: FloatArray

    @cached_property
    def best(self) -> Choice:
        """The one of least expected loss, of equals the first; everybody asks."""
        return self.choice(int(np.argmax(self.loss_usd_per_hour <= self.loss_usd_per_hour.min() + ROUNDING)))

    @property
    def by_total(self) -> dict[int, float]:
        """Least expected loss by total count."""
        totals, first = np.unique(self.counts.sum(axis=1), return_index=True)
        least = np.minimum.reduceat(self.loss_usd_per_hour, first)
        return dict(zip(totals.tolist(), least.tolist(), strict=True))

    def choice(self, index: int) -> Choice:
        """One of them."""
        return Choice(
            counts=tuple(self.counts[index].tolist()),
            loss_usd_per_hour=float(self.loss_usd_per_hour[index]),
            unserved_replicas=float(self.unserved_replicas[index]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class RoleOffers:
    """Offers for the variants of one role; `seats` are their indexes in the case's."""

    seats: tuple[int, ...]
    offers: Offers


def weigh(
    required: FloatArray, rates: Rates, *, current: Sequence[int], limits: Limits, order: Sequence[int]
) -> Offers:
    """Weigh what may be chosen: the ladder, and where there are several variants the mixes around it.

    Args:
        required: Replicas required if one variant served alone, shape (V, S).
        rates: Prices.
        current: Replicas now, length V.
        limits: Bounds by variant.
        order: Variants, the cheapest per work first.
    """
    reference = required[order[0]]
    worth = worth_of(required, order[0])
    low = limits.least if limits.swaps else tuple(np.maximum(limits.least, current).tolist())
    climbed = replace(limits, least=low, most=tuple(np.maximum(limits.most, low).tolist()))
    counts = _climb(low, ladder(worth, reference, current, limits=climbed, order=order))
    if not limits.swaps:
        counts = np.vstack([_descend(low, limits.least, order), counts])
    elif len(required) > 1:
        need = float(np.sort(reference)[max(math.ceil(rates.critical_ratio * len(reference)) - 1, 0)])
        bounds = {"current": np.array(current), "least": np.array(limits.least), "most": np.array(limits.most)}
        counts = np.vstack([counts, variant_mixes(worth.mean(axis=1), need, **bounds)])
        counts = counts[np.argsort(counts.sum(axis=1), kind="stable")]
    unserved = expected_unserved(counts, reference, worth)
    loss = expected_loss(counts, unserved, rates, current=current, reference=order[0])
    broken = np.maximum(unserved - rates.allowed_share * reference.mean(), 0.0)
    return Offers(counts, loss + rates.usd_per_hour[order[0]] / rates.allowed_share * broken, unserved)


def _climb(low: Sequence[int], rungs: Rungs) -> Rungs:
    """Counts from the lowest up, a replica a rung, shape (N, V)."""
    steps = np.vstack([np.zeros(len(low), dtype=np.intp), np.eye(len(low), dtype=np.intp)[rungs]])
    steps[0] = low
    return np.asarray(steps.cumsum(axis=0), dtype=np.intp)


def _descend(high: Sequence[int], least: Sequence[int], order: Sequence[int]) -> Rungs:
    """Counts below the highest, the fewest first; the dearest variant gives first."""
    gives = [v for v in reversed(order) for _ in range(high[v] - least[v])]
    return np.array(high, dtype=np.intp) - _climb([0] * len(high), np.array(gives, dtype=np.intp))[:0:-1]


def worth_of(required: FloatArray, reference: int) -> FloatArray:
    """Replicas of the reference that one replica of each variant is worth, shape (V, S); 1 where nothing is needed."""
    safe = np.where(required > 0, required, 1.0)
    return np.where((required > 0) & (required[reference] > 0), required[reference] / safe, 1.0)


def ladder(
    worth: FloatArray, reference: FloatArray, current: Sequence[int], *, limits: Limits, order: Sequence[int]
) -> Rungs:
    """The variant of each replica beyond the minima, as far up as any path requires or the current replicas reach."""
    steps = [max(limits.most[v] - limits.least[v], 0) for v in order]
    steps[-1] += limits.beyond
    rungs = np.repeat(np.asarray(order, dtype=np.intp), steps)
    enough = np.ceil(reference.max(initial=0.0) / max(float(worth.min()), ROUNDING)) + 1
    return rungs[: int(min(len(rungs), max(enough, sum(current))))]


def expected_unserved(counts: NDArray[np.intp], reference: FloatArray, worth: FloatArray) -> FloatArray:
    """Expected demand that each rung leaves unserved, in replicas of the reference, shape (N,).

    Args:
        counts: Replicas by rung and variant, shape (N, V).
        reference: Required replicas of the reference variant, shape (S,).
        worth: Shape (V, S).
    """
    return np.asarray(np.maximum(reference - counts @ worth, 0.0).mean(axis=1), dtype=np.float64)


def expected_loss(
    counts: NDArray[np.intp], unserved: FloatArray, rates: Rates, *, current: Sequence[int], reference: int
) -> FloatArray:
    """Expected loss of each rung, USD per hour, shape (N,).

    Args:
        counts: Replicas by rung and variant, shape (N, V).
        unserved: Expected unserved demand by rung, in replicas of the reference, shape (N,).
        rates: Prices.
        current: Replicas now, length V.
        reference: The variant that unserved demand is counted in.
    """
    prices = np.asarray(rates.usd_per_hour)
    unserved_price = rates.usd_per_hour[reference] / (1.0 - rates.critical_ratio)
    switched = np.abs(counts - np.asarray(current)[None, :]) @ prices
    return np.asarray(counts @ prices + unserved_price * unserved + rates.switching_share * switched, dtype=np.float64)


def cheapest_first(
    required: FloatArray, usd_per_hour: Sequence[float], current: Sequence[int], *, incumbent_share: float = 0.9
) -> tuple[int, ...]:
    """Order variants by USD per unit of work.

    The variant with most replicas is compared at `incumbent_share` of its price, so that a token mix that drifts
    around parity does not swap the fleet to and fro.

    Args:
        required: Replicas required if one variant served alone, shape (V, S).
        usd_per_hour: Price of one replica by variant.
        current: Replicas now by variant.
        incumbent_share: In (0, 1].
    """
    cost = required.mean(axis=1) * np.asarray(usd_per_hour)
    if sum(current) > 0:
        cost[int(np.argmax(current))] *= incumbent_share
    return tuple(int(v) for v in np.argsort(cost, kind="stable"))
