"""Spreading a total over the variants: the cheapest take first, the dearest give first."""

from __future__ import annotations

from foresail.policies.scaling.case import Case, Counts


def raise_to(case: Case, counts: Counts, total: int) -> Counts:
    """Add replicas, the cheapest variant first, until there are `total`; the maxima stop it."""
    raised, missing = list(counts), total - sum(counts)
    for v in case.order:
        added = min(max(missing, 0), max(case.most[v] - raised[v], 0))
        raised[v] += added
        missing -= added
    return tuple(raised)


def lower_to(case: Case, counts: Counts, total: int) -> Counts:
    """Take replicas away, the dearest variant first, until there are `total`; the minima stop it."""
    lowered, surplus = list(counts), sum(counts) - total
    for v in reversed(case.order):
        taken = min(max(surplus, 0), max(lowered[v] - case.least[v], 0))
        lowered[v] -= taken
        surplus -= taken
    return tuple(lowered)
