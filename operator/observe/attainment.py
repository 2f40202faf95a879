"""Attainment: the share of the last minutes' requests within the SLO, from the engines' histograms; and pressure.

A histogram tells how many requests stayed under a bound; between two bounds they are taken to lie evenly, and beyond
the last finite bound none is taken to pass. TTFT and TPOT are told apart, never together, so the share that passes both
is taken to be their product. Both suffer from the same overload, so the true share is rather larger: the product errs
on the careful side, between the least possible share (a + b - 1) and the largest (the smaller one).

To keep answers small only the buckets around the limits that the fleet's SLOs name are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Demand, Known, Signal, Unknown
from foresail.domain.workload import Engine, Slo
from foresail.operator.observe.answers import Unavailable, Vector
from foresail.operator.observe.labels import ByEngine, PodKey, engine_of, key_of
from foresail.operator.observe.queries import ENGINES, SHARE_SECONDS, Indicator, names_of
from foresail.operator.observe.telemetry import Telemetry
from foresail.policies.scaling.pressure import pressure_of

INFINITE: Final = "+Inf"
LEAST_REQUESTS: Final = 0.5  # an increase is extrapolated, so less than one whole request is none

Buckets = ByEngine[Mapping[float, float]]


@dataclass(slots=True)
class Layout:
    """The bounds that buckets have in this fleet, as Prometheus writes them, by series name."""

    bounds: Mapping[str, Sequence[tuple[float, str]]] = field(default_factory=dict)

    def learn(self, answer: Vector) -> None:
        """Take in which bounds there are."""
        found: dict[str, list[tuple[float, str]]] = {}
        for labels in answer.labels:
            text = labels.get("le", "")
            bound = _number(text)
            if bound is not None:
                found.setdefault(labels.get("__name__", ""), []).append((bound, text))
        self.bounds = {name: sorted(entries) for name, entries in found.items()}

    def around(self, limits: Iterable[float]) -> frozenset[str]:
        """The bounds next to each limit, on both sides and of every series, and infinity."""
        chosen = {INFINITE}
        limits = set(limits)
        for entries in self.bounds.values():
            for limit in limits:
                below = [text for bound, text in entries if bound <= limit]
                above = [text for bound, text in entries if bound >= limit]
                chosen.update(below[-1:] + above[:1])
        return frozenset(chosen)


def read_buckets(answer: Vector | Unavailable) -> Buckets:
    """Counts by engine, pod and bound; what is no number is left out."""
    buckets: dict[Engine, dict[PodKey, dict[float, float]]] = {engine: {} for engine in ENGINES}
    if isinstance(answer, Unavailable):
        return buckets
    for labels, count in zip(answer.labels, answer.values.tolist(), strict=True):
        bound, engine = _number(labels.get("le", "")), engine_of(labels)
        if bound is not None and engine is not None and math.isfinite(count):
            buckets[engine].setdefault(key_of(labels), {})[bound] = count
    return buckets


def count_within(buckets: Mapping[float, float], limit: float) -> float:
    """How many of a histogram's requests stayed within a limit."""
    below, under = 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        count = max(count, under)  # noqa: PLW2901 - cumulative counts never fall; extrapolation may say so
        if bound >= limit:
            if math.isinf(bound):
                return under
            return under + (count - under) * (limit - below) / (bound - below)
        below, under = bound, count
    return under


def observe_attainment(
    slo: Slo, ready: Sequence[PodKey], pods: Sequence[PodKey], telemetry: Telemetry, ttft: Buckets, tpot: Buckets
) -> Signal:
    """The share of requests within the SLO, or why it is unknown.

    Args:
        slo: The limits.
        ready: Pods without which the share would be one-sided: every one must be fresh.
        pods: Every pod whose requests count.
        telemetry: The cycle's answers.
        ttft: Counts by engine, pod and bound.
        tpot: Likewise.
    """
    if telemetry.problem is not None or not pods:
        return telemetry.problem or Unknown(
            Reason.NO_READY_REPLICAS, "no replica is there whose requests could be measured"
        )
    for pod in ready:
        if not telemetry.is_fresh(pod):
            return telemetry.explain(Indicator.RUNNING, pod)
    for indicator, answer in ((Indicator.TTFT, telemetry.answers.ttft), (Indicator.TPOT, telemetry.answers.tpot)):
        if isinstance(answer, Unavailable):
            return Unknown(answer.reason, answer.message)
        found = ttft if indicator is Indicator.TTFT else tpot
        if not any(telemetry.pick(found, pod) for pod in pods):
            return _no_histogram(indicator, telemetry.engine)
    good, total = _share(telemetry, ttft, pods, slo.ttft_milliseconds / 1000)
    if total < LEAST_REQUESTS:
        return Unknown(Reason.NO_TRAFFIC, f"no request was answered in the last {SHARE_SECONDS / 60:g} minutes")
    steady, counted = _share(telemetry, tpot, pods, slo.tpot_milliseconds / 1000)
    # A request of a single token has no TPOT and keeps every limit of it.
    return Known(min(good / total, 1.0) * (min(steady / counted, 1.0) if counted >= LEAST_REQUESTS else 1.0))


def observe_pressure(
    slo: Slo, ready: Sequence[PodKey], telemetry: Telemetry, served: Demand | None, *, window_seconds: float
) -> float | None:
    """How full the ready pods of a variant are together (1 = at a limit), None when unknown.

    Args:
        slo: The limits.
        ready: Its ready pods.
        telemetry: The cycle's answers.
        served: What they served together, a mean of the window.
        window_seconds: Over which the growth of queues is measured.
    """
    waiting, growth = _total(telemetry, Indicator.WAITING, ready), _total(telemetry, "waiting_growth", ready)
    full = _total(telemetry, Indicator.CACHE, ready)
    return pressure_of(
        slo,
        kv_usage=None if full is None else full / len(ready),
        tpot_seconds=_mean_tpot_seconds(telemetry, ready),
        waiting=None if waiting is None or growth is None else waiting - growth * window_seconds / 2,
        served_rps=None if served is None else served.requests_per_second,
    )


def _mean_tpot_seconds(telemetry: Telemetry, pods: Sequence[PodKey]) -> float | None:
    """Mean TPOT of pods; 0 where they tell that nothing was generated, None where none has the series."""
    paces = [pace for pod in pods if (pace := telemetry.value("tpot_mean", pod)) is not None]
    if paces:
        return sum(paces) / len(paces)
    return 0.0 if any(telemetry.has("tpot_mean", pod) for pod in pods) else None


def _total(telemetry: Telemetry, what: str, pods: Sequence[PodKey]) -> float | None:
    """Sum over pods, None without any or where one is unknown."""
    known = [value for pod in pods if (value := telemetry.value(what, pod)) is not None]
    return sum(known) if pods and len(known) == len(pods) else None


def _share(telemetry: Telemetry, buckets: Buckets, pods: Iterable[PodKey], limit: float) -> tuple[float, float]:
    found = [telemetry.pick(buckets, pod) for pod in pods]
    counts = [count for count in found if count is not None and math.inf in count]
    return sum(count_within(count, limit) for count in counts), sum(count[math.inf] for count in counts)


def _no_histogram(indicator: Indicator, engine: Engine) -> Unknown:
    names = names_of(indicator, engine)
    return Unknown(Reason.NO_SERIES, f"Prometheus has no buckets of {names}; check the engine's version")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number
