"""Pressure: how full replicas are, as a share: 1 is at a limit. What they then serve is what they can serve.

Three signs, the largest of which counts: the share of the KV cache in use, TPOT over its limit, and the queue. A queue
tells of full replicas only when it makes requests late: by Little's law it takes waiting / served per second until a
request that enters now is begun, and replicas are full when that is the TTFT limit. The one request that waits for the
next iteration of an engine that is half empty says nothing; to call that engine full taught that a replica sustains
little, so replicas were added, served less each, and taught that it sustains even less.
"""

from __future__ import annotations

import math

from foresail.domain.workload import Slo

FULL = 1.0


def pressure_of(
    slo: Slo, *, kv_usage: float | None, tpot_seconds: float | None, waiting: float | None, served_rps: float | None
) -> float | None:
    """How full replicas are together.

    Args:
        slo: The limits.
        kv_usage: Mean share of the KV cache in use, 0…1; None when unknown, as every other.
        tpot_seconds: Mean TPOT, 0 when nothing was generated.
        waiting: Requests in queue over all, a mean of the last minute.
        served_rps: Requests that they finish per second over all, a mean of the same minute.

    Returns:
        A share, or None when it is unknown. A sign that is not known may be the largest: what is left proves that
        replicas are full and never that they are not, as a smaller number would be taken for room.
    """
    shares = [
        _finite(kv_usage, 1.0),
        _finite(tpot_seconds, slo.tpot_milliseconds / 1000),
        FULL if _is_late(waiting, served_rps, slo.ttft_milliseconds / 1000) else None,
    ]
    largest = max((share for share in shares if share is not None), default=0.0)
    return largest if largest >= FULL or None not in shares[:2] else None


def _finite(value: float | None, limit: float) -> float | None:
    return value / limit if value is not None and math.isfinite(value) else None


def _is_late(waiting: float | None, served_rps: float | None, limit_seconds: float) -> bool:
    return waiting is not None and served_rps is not None and waiting > max(served_rps, 0.0) * limit_seconds
