"""Spreading a total over the variants: the cheapest take first, the dearest give first.

What the bounds of all variants have no room for goes to the cheapest, or comes from the dearest, so that the guard of
the bounds sees it and says so.
"""

from __future__ import annotations

from foresail.policies.scaling.case import Case, Counts


def raise_to(case: Case, counts: Counts, total: int) -> Counts:
    """Add replicas, the cheapest variant first, until there are `total`."""
    raised, missing = list(counts), max(total - sum(counts), 0)
    for v in case.order:
        added = min(missing, max(case.most[v] - raised[v], 0))
        raised[v] += added
        missing -= added
    raised[case.order[0]] += missing
    return tuple(raised)


def lower_to(case: Case, counts: Counts, total: int) -> Counts:
    """Take replicas away, the dearest variant first, until there are `total`; never below zero."""
    lowered, surplus = list(counts), max(sum(counts) - total, 0)
    for floors in (case.least, (0,) * len(counts)):
        for v in reversed(case.order):
            taken = min(surplus, max(lowered[v] - floors[v], 0))
            lowered[v] -= taken
            surplus -= taken
    return tuple(lowered)
