"""Consolidation: before a step down, check that the ready replicas that remain carry demand now and forecast.

What is taken away cannot be had back before a lead time has passed, so the forecast counts from now until then. A
replica that is still starting carries nothing yet: with several variants, the new one is ready before the old one goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import FloatArray
from foresail.policies.scaling import words
from foresail.policies.scaling.bayes import ROUNDING, worth_of
from foresail.policies.scaling.case import Case, Counts, Seat
from foresail.policies.scaling.learning import is_full
from foresail.policies.scaling.prices import promised_share
from foresail.policies.scaling.required import Needs
from foresail.policies.scaling.verdict import Verdict

BEYOND_SEEN = 1.05  # times the most work that was seen: what a step may give those that stay
FEW = 6  # an idle engine's TPOT must not keep the last ones
FAR_FROM_FULL = 2 / 3
BUSY = 0.5  # below, pressure tells of engines that have a TPOT even when idle


def check_consolidation(case: Case, counts: Counts) -> Verdict | None:
    """Raise a step down to the fewest replicas whose ready ones carry the demand, at most to what there is."""
    if isinstance(case.needs, Unknown) or all(n >= c for n, c in zip(counts, case.current, strict=True)):
        return None
    full = [seat for seat, n in zip(case.seats, counts, strict=True) if n < seat.current and _is_full(case, seat)]
    if full:
        kept = tuple(max(n, seat.current) if seat in full else n for seat, n in zip(case.seats, counts, strict=True))
        return Verdict(kept, Reason.CONSOLIDATION_UNSAFE, f"the replicas of {full[0].name} are full")
    if carries(case, case.needs, counts):
        return None
    safe = _fewest_safe(case, case.needs, counts)
    ready = sum(min(seat.replicas.ready, n) for seat, n in zip(case.seats, counts, strict=True))
    return Verdict(safe, Reason.CONSOLIDATION_UNSAFE, _why(case, case.needs, counts, ready))


def carries(case: Case, needs: Needs, counts: Counts) -> bool:
    """Whether the ready replicas left by a step carry the demand of now, and the forecast but for the share allowed."""
    left = _left(case, counts)
    allowed = 1.0 - promised_share(case.workload.slo)
    now = needs.now.tolist()
    return (
        _is_proven(case, needs, counts)
        and all(_carries_now(left, now, seats) for seats in case.roles)
        and all(_carries(np.array([left[v] for v in seats]), needs.until[[*seats]], allowed) for seats in case.roles)
    )


def _is_proven(case: Case, needs: Needs, counts: Counts) -> bool:
    """Whether what is left was seen to do about as much before.

    A profile may promise more than engines keep, so a step down gives nobody much more work than it ever had, or takes
    one replica where those that stay are believed to be far from full. When they have had it for a minute and are not
    full, the next step may follow, unless pressure lets expect that they would be.
    """
    left, ready = _left(case, counts), _left(case, case.current)
    now, proven = needs.now.tolist(), needs.proven.tolist()
    return all(
        _carries_now(left, proven, seats)
        or (
            (_is_short_of_full(case, left, seats) or sum(ready[v] for v in seats) <= FEW)
            and (
                _carries_now(left, proven, seats, times=BEYOND_SEEN)
                or (sum(ready[v] - left[v] for v in seats) <= 1 and _carries_now(left, now, seats, times=FAR_FROM_FULL))
            )
        )
        for seats in case.roles
    )


def _is_short_of_full(case: Case, left: Counts, seats: Sequence[int]) -> bool:
    """Whether replicas that look busy would stay short of full, their load being about the root of their pressure."""
    return all(
        left[v] >= case.seats[v].replicas.ready * math.sqrt(pressure)
        for v in seats
        if (pressure := case.seats[v].observation.pressure or 0.0) >= BUSY
    )


def _left(case: Case, counts: Counts) -> Counts:
    """Ready replicas by variant after a step."""
    return tuple(min(seat.replicas.ready, n) for seat, n in zip(case.seats, counts, strict=True))


def _is_full(case: Case, seat: Seat) -> bool:
    belief = case.memory.capacity.get(seat.name)
    return belief is not None and is_full(belief, seat.observation)


def _why(case: Case, needs: Needs, counts: Counts, ready: int) -> str:
    if not _is_proven(case, needs, counts):
        return f"{words.replicas(ready)} left ready would have to serve much more each than any was seen to"
    return (
        f"{words.replicas(ready)} left ready would not carry the demand of now and of the next "
        f"{case.lead_time_seconds:.0f} s"
    )


def _carries_now(left: Counts, required: Sequence[float], seats: Sequence[int], *, times: float = 1.0) -> bool:
    """Whether what is left carries the work of one instant, when each replica does so many `times` its part."""
    reference = required[seats[0]]
    if reference <= 0.0:
        return True
    carried = sum(left[v] * (reference / required[v] if required[v] > 0.0 else 1.0) for v in seats)
    return carried * times >= reference - ROUNDING


def _carries(left: NDArray[np.int_], required: FloatArray, allowed: float) -> bool:
    """Whether the share of the work that is left unserved is at most the one allowed.

    Args:
        left: Ready replicas by variant, shape (V,).
        required: Replicas required if one variant served alone, shape (V, S).
        allowed: Share in [0, 1).
    """
    unserved = np.maximum(required[0] - left @ worth_of(required, 0), 0.0).mean()
    return bool(unserved <= allowed * required[0].mean() + ROUNDING)


def _fewest_safe(case: Case, needs: Needs, counts: Counts) -> Counts:
    """Give back, the cheapest variant first, as little as makes the rest safe."""
    safe = list(counts)
    for v in case.order:
        low, high = safe[v], max(case.current[v], safe[v])
        while low < high:
            middle = (low + high) // 2
            if carries(case, needs, (*safe[:v], middle, *safe[v + 1 :])):
                high = middle
            else:
                low = middle + 1
        safe[v] = low
    return tuple(safe)
