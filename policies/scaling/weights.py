"""Routing weights: the share of a role's requests that each variant should get, by what its ready replicas sustain.

A router that shares by greatest throughput of one size of request, or equally, overloads the weaker variant of nearly
every mix; shares in proportion to ready capacity at the token mix of now load all replicas alike. A replica that is
still starting gets nothing yet, and one that is to go gets nothing any more. One of unknown capacity counts like the
weakest that is known: left out, its Service would keep a weight without a replica, or get none to be known by.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from foresail.domain.snapshot import Demand
from foresail.policies.scaling.capacity import Mix, mix_now, mix_of
from foresail.policies.scaling.case import Case, Counts
from foresail.policies.scaling.learning import work_of

ANY_MIX = Mix(1.0, 1.0)  # before the first request


def weights_of(case: Case, desired: Counts) -> dict[str, float]:
    """Shares by variant, summing to one over the variants of a role; none where none of it is ready."""
    weights: dict[str, float] = {}
    mix = mix_now(case.observation) or mix_of(case.observation) or ANY_MIX
    for seats in case.roles:
        known = {v: _seconds(case, v, mix) for v in seats}
        seconds = {**dict.fromkeys(_unknown(case, seats), max(known.values())), **known}
        least = min((own for own in seconds.values() if own > 0.0), default=0.0)
        carried = {
            v: min(case.seats[v].replicas.ready, desired[v]) * (least / own if own > 0.0 else 0.0)
            for v, own in seconds.items()
        }
        total = sum(carried.values())
        if total > 0.0:
            weights |= {case.seats[v].name: share / total for v, share in carried.items()}
    return weights


def _unknown(case: Case, seats: Sequence[int]) -> list[int]:
    """Those in the same role of which it is unknown what they sustain."""
    role = case.seats[seats[0]].variant.role
    return [v for v, seat in enumerate(case.seats) if seat.work is None and seat.variant.role is role]


def _seconds(case: Case, v: int, mix: Mix) -> float:
    """Seconds of one replica for a request of this mix."""
    belief = case.memory.capacity[case.seats[v].name]
    return work_of(belief).of(Demand(1.0, *mix)) * math.exp(-belief.log_mean)
