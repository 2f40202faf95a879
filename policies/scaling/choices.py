"""What may be chosen for a workload: weighed counts for each role, as each carries its own part of every request."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.scaling.bayes import Limits, Rates, RoleOffers, weigh
from foresail.policies.scaling.case import Case
from foresail.policies.scaling.prices import Prices, critical_ratio, promised_share
from foresail.policies.scaling.required import Needs


def weigh_by_role(case: Case, needs: Needs, prices: Prices, *, capped: bool) -> tuple[RoleOffers, ...]:
    """Weigh the counts of every role, whatever the pools have or within what can be had."""
    promise, switching = promised_share(case.workload.slo), prices.of_switching(case.lead_time_seconds)
    found = []
    for seats in case.roles:
        rates = Rates(
            tuple(case.seats[v].usd_per_hour for v in seats),
            critical_ratio(promise, needs.ahead[seats[0]], switching),
            switching,
            1.0 - promise,
        )
        limits = _limits(case, needs.ahead, seats, capped=capped)
        current = [case.current[v] for v in seats]
        found.append(
            RoleOffers(
                seats, weigh(needs.ahead[[*seats]], rates, current=current, limits=limits, order=range(len(seats)))
            )
        )
    return tuple(found)


def reach_of(case: Case, v: int) -> int | None:
    """Replicas of a seat that can be had: its stuck ones cannot, nor more than its pool has room for."""
    seat = case.seats[v]
    return seat.current - seat.stuck if seat.stuck else seat.most


def _limits(case: Case, required: FloatArray, seats: Sequence[int], *, capped: bool) -> Limits:
    """Bounds of the choice.

    The last variant may exceed its maximum, as far as any path requires, so that the bounds' guard can say so. A single
    variant starts at zero for the same reason; several start at their minima, which carry work whatever is chosen.
    """
    least = [case.least[v] if len(seats) > 1 else 0 for v in seats]
    most = [max(case.most[v], low) for v, low in zip(seats, least, strict=True)]
    last = most[-1]
    beyond = max(int(min(np.ceil(required[seats[-1]].max(initial=0.0)) + 1, 2 * last + 10)) - last, 0)
    if capped:
        caps = [reach_of(case, v) for v in seats]
        most = [n if cap is None else max(min(n, cap), low) for n, cap, low in zip(most, caps, least, strict=True)]
        beyond = beyond if caps[-1] is None else max(min(beyond, caps[-1] - last), 0)
    return Limits(tuple(least), tuple(most), beyond, swaps=not case.no_swaps)
