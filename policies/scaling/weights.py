"""Routing weights: the share of a role's requests that each variant should get, by what its ready replicas sustain.

A router that shares by greatest throughput of one size of request, or equally, overloads the weaker variant of nearly
every mix; shares in proportion to ready capacity at the token mix of now load all replicas alike. A replica that is
still starting gets nothing yet, and one that is to go gets nothing any more.
"""

from __future__ import annotations

from foresail.policies.scaling.case import Case, Counts
from foresail.policies.scaling.required import Needs


def weights_of(case: Case, desired: Counts) -> dict[str, float]:
    """Shares by variant, summing to one over the ready variants of a role; none where nothing can be said."""
    weights: dict[str, float] = {}
    if not isinstance(case.needs, Needs):
        return weights
    need = case.needs.now if case.needs.now.any() else case.needs.ahead.mean(axis=1)
    for seats in case.roles:
        able = [v for v in seats if need[v] > 0.0]
        least = min((need[v] for v in able), default=0.0)
        carried = {v: min(case.seats[v].replicas.ready, desired[v]) * (least / need[v]) for v in able}
        total = sum(carried.values())
        if total > 0.0:
            weights |= {case.seats[v].name: float(share / total) for v, share in carried.items()}
    return weights
