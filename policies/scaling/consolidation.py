"""Consolidation: before a step down, check that the ready replicas that remain carry demand now and forecast.

What is taken away cannot be had back before a lead time has passed, so the forecast counts from now until then. A
replica that is still starting carries nothing yet: with several variants, the new one is ready before the old one goes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import FloatArray
from foresail.policies.scaling import words
from foresail.policies.scaling.bayes import ROUNDING, worth_of
from foresail.policies.scaling.case import Case, Counts
from foresail.policies.scaling.prices import promised_share
from foresail.policies.scaling.required import Needs
from foresail.policies.scaling.verdict import Verdict


def check_consolidation(case: Case, counts: Counts) -> Verdict | None:
    """Raise a step down to the fewest replicas whose ready ones carry the demand, at most to what there is."""
    if isinstance(case.needs, Unknown) or all(n >= c for n, c in zip(counts, case.current, strict=True)):
        return None
    if carries(case, case.needs, counts):
        return None
    safe = _fewest_safe(case, case.needs, counts)
    ready = sum(min(seat.replicas.ready, n) for seat, n in zip(case.seats, counts, strict=True))
    return Verdict(
        safe,
        Reason.CONSOLIDATION_UNSAFE,
        f"{words.replicas(ready)} left ready would not carry the demand of now and of the next "
        f"{case.lead_time_seconds:.0f} s",
    )


def carries(case: Case, needs: Needs, counts: Counts) -> bool:
    """Whether the ready replicas left by a step carry the demand of now, and the forecast but for the share allowed."""
    left = np.array([min(seat.replicas.ready, n) for seat, n in zip(case.seats, counts, strict=True)])
    allowed = 1.0 - promised_share(case.workload.slo)
    return all(
        _carries(left[[*seats]], needs.now[[*seats], None], 0.0)
        and _carries(left[[*seats]], needs.until[[*seats]], allowed)
        for seats in case.roles
    )


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
