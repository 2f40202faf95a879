"""Demand: what arrives, served or not.

Engines tell what they finished, not what they were asked for, and an overloaded fleet finishes less than it is asked.
With f requests finished per second, w and r requests waiting and running (a prime for their growth per second), p and g
tokens read and generated per second, and n_in, n_out tokens per request:

    requests = f + w' + r'
    input    = p + n_in · w'              what waits has not been read
    output   = g + n_out · (w' + r' / 2)  what runs has half of its output before it, on average

each at least 0. n_in = p / (f + r') and n_out = g / f over the last ten minutes. The same formula makes the history.

A ready pod without a fresh rate makes demand unknown: it may be the overloaded one that does not answer. Only a pod
that has just become ready is forgiven: until it can have two samples it is taken to receive what its siblings receive.
Where no sibling tells anything yet, the first samples are awaited, which is no fault.

Rates are means of a window. A pod that served during a part of it counts for that part: what it took over since it came
is still in the means of its siblings, and counting both made demand rise with every replica that was added. After an
outage of Prometheus the means are of what has come since, and so are the parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Demand, Known, Signal, Unknown
from foresail.domain.timeseries import FloatArray
from foresail.domain.workload import Role
from foresail.operator.observe.labels import PodKey
from foresail.operator.observe.queries import Indicator
from foresail.operator.observe.records import PodRecord
from foresail.operator.observe.replicas import VariantPods, keys_of
from foresail.operator.observe.telemetry import COUNTERS, Flow, Telemetry

MIX_SECONDS: Final = 600.0
NAMED_PODS: Final = 3
FLOW_PARTS: Final = (*COUNTERS, "waiting_growth", "running_growth")


class RolePods(NamedTuple):
    """The pods of one variant and the part of a request that they serve."""

    role: Role
    pods: VariantPods


class TokenMix(NamedTuple):
    """Tokens of a request; None before any was seen."""

    input_tokens: float | None = None
    output_tokens: float | None = None


@dataclass(slots=True)
class MixMeter:
    """The token mix of the last ten minutes, from sums that fade."""

    time: float | None = None
    prompt_tokens: float = 0.0
    started: float = 0.0
    generation_tokens: float = 0.0
    finished: float = 0.0

    def note(self, front: Flow, back: Flow, now: float) -> TokenMix:
        """Take in the flows of this cycle; the mix including them."""
        keep = 0.0 if self.time is None else math.exp(-max(now - self.time, 0.0) / MIX_SECONDS)
        self.time = now
        self.prompt_tokens = keep * self.prompt_tokens + (1 - keep) * front.prompt_tokens
        self.started = keep * self.started + (1 - keep) * max(front.finished + front.running_growth, 0.0)
        self.generation_tokens = keep * self.generation_tokens + (1 - keep) * back.generation_tokens
        self.finished = keep * self.finished + (1 - keep) * back.finished
        return TokenMix(_ratio(self.prompt_tokens, self.started), _ratio(self.generation_tokens, self.finished))


def arrivals(front: Flow, back: Flow, mix: TokenMix) -> Demand:
    """The demand that flows tell of: requests and input where they enter, output where it is generated."""
    requests = front.finished + front.waiting_growth + front.running_growth
    read = front.prompt_tokens + (mix.input_tokens or 0.0) * front.waiting_growth
    generated = back.generation_tokens + (mix.output_tokens or 0.0) * (back.waiting_growth + back.running_growth / 2)
    return Demand(max(requests, 0.0), max(read, 0.0), max(generated, 0.0))


def arrivals_of_past(front: FloatArray, back: FloatArray, step_seconds: float) -> FloatArray:
    """The demand that flows of the past tell of, by the same formula.

    Args:
        front: Flows where requests enter, shape (N, 5) in the order of `Flow`, NaN where unknown.
        back: Flows where output is generated, likewise.
        step_seconds: Spacing of the rows.

    Returns:
        Shape (N, 3) in the order of DEMAND_INDICATORS, NaN in every row of which a flow is unknown.
    """
    finished, prompt, _, waiting, running = front.T
    back_finished, _, generated, back_waiting, back_running = back.T
    rows = max(round(MIX_SECONDS / step_seconds), 1)
    n_in = _trailing_ratio(prompt, np.maximum(finished + running, 0.0), rows)
    n_out = _trailing_ratio(generated, back_finished, rows)
    demand: FloatArray = np.stack(
        [
            finished + waiting + running,
            prompt + n_in * waiting,
            generated + n_out * (back_waiting + back_running / 2),
        ],
        axis=1,
    )
    demand[~np.isfinite(demand).all(axis=1)] = np.nan
    return np.maximum(demand, 0.0, out=demand)


class Times(NamedTuple):
    """The instant of a cycle, how long a new pod may lack samples, and the window that rates are means of."""

    now: float
    grace_seconds: float
    window_seconds: float


def observe_flows(variants: Sequence[RolePods], telemetry: Telemetry, times: Times) -> tuple[Flow, Flow] | Unknown:
    """The flows where requests enter and where output is generated, or why they are unknown."""
    front = [variant.pods for variant in variants if variant.role is not Role.DECODE]
    back = [variant.pods for variant in variants if variant.role is not Role.PREFILL]
    entering = _add_up(front or back, telemetry, times)
    if isinstance(entering, Unknown) or len(front) == len(back) == len(variants):
        return entering if isinstance(entering, Unknown) else (entering, entering)
    generating = _add_up(back or front, telemetry, times)
    return generating if isinstance(generating, Unknown) else (entering, generating)


def observe_served(pods: VariantPods, telemetry: Telemetry, times: Times) -> Demand | None:
    """What the ready pods of one variant served together, and no others; None when a part of it is unknown.

    The rate of a pod is a mean of the window from its second sample on, so what was before it was there does not
    dilute it. But an engine may be scraped before requests are sent to it, and its batch fills as long as requests
    last. So a pod that became ready within the window is taken to serve what those of longer standing do; only where
    there are none, it counts as it is seen.
    """
    settled = tuple(pod for pod in pods.ready if not _is_new(pod, times.now, times.window_seconds)) or pods.ready
    keys = keys_of(settled)
    counted = telemetry.counters_of(keys)
    flows = [telemetry.flow(key, counted=counted) for key in keys]
    known = [flow for flow in flows if flow is not None]
    if not known or len(known) < len(flows):
        return None
    total = _sum(known).times(len(pods.ready) / len(settled))
    return Demand(total.finished, total.prompt_tokens, total.generation_tokens)


def observe_sum(
    what: Indicator, variants: Iterable[RolePods], telemetry: Telemetry, *, now: float, grace_seconds: float
) -> Signal:
    """Requests waiting or running on all ready pods; pods that have just become ready may be missing."""
    ready = [pod for variant in variants for pod in variant.pods.ready]
    told: list[float] = []
    for pod, key in zip(ready, keys_of(ready), strict=True):
        value = telemetry.value(what, key)
        if value is not None:
            told.append(value)
        elif not _is_new(pod, now, grace_seconds):
            return telemetry.explain(what, key)
    if ready and not told:
        return telemetry.explain(what, keys_of(ready)[0])
    return Known(sum(told)) if ready else no_ready_replicas()


def no_ready_replicas() -> Unknown:
    """Why nothing can be measured without a ready replica."""
    return Unknown(
        Reason.NO_READY_REPLICAS, "no replica is ready, so arrivals cannot be measured; look at the pods of the targets"
    )


def _add_up(variants: Sequence[VariantPods], telemetry: Telemetry, times: Times) -> Flow | Unknown:
    ready = [pod for pods in variants for pod in pods.ready]
    if not ready:
        return telemetry.problem or no_ready_replicas()
    others = [pod for pods in variants for pod in (*pods.starting, *pods.draining, *pods.gone)]
    counted = telemetry.counters_of(keys_of((*ready, *others)))
    covered = min(times.window_seconds, telemetry.covered_seconds(ready[0].namespace))
    parts = _parts_of_window((*ready, *others), times._replace(window_seconds=covered))
    flows = {key: telemetry.flow(key, counted=counted) for key in parts}
    missing = [(pod, key) for pod, key in zip(ready, keys_of(ready), strict=True) if flows[key] is None]
    overdue = [key for pod, key in missing if not _is_new(pod, times.now, times.grace_seconds)]
    if overdue:
        return _explain(overdue, len(ready), telemetry)
    if len(missing) == len(ready):
        return _await_first([key for _, key in missing], telemetry, times.grace_seconds)
    total = _sum([flow.times(parts[key]) for key, flow in flows.items() if flow is not None])
    # Each newcomer has received what a sibling did since it came.
    return total.times(1.0 / (1.0 - sum(parts[key] for _, key in missing) / len(ready)))


def _parts_of_window(pods: Sequence[PodRecord], times: Times) -> dict[PodKey, float]:
    """The part of the window in which each pod served, in [0, 1]; the window begins with the oldest pod."""
    start = times.now - times.window_seconds
    spans = [(max(pod.ready_at or start, start), min(pod.deleted_at or times.now, times.now)) for pod in pods]
    window = times.now - min(begin for begin, _ in spans)
    shares = [min(max(end - begin, 0.0) / window, 1.0) if window > 0 else 1.0 for begin, end in spans]
    return dict(zip(keys_of(pods), shares, strict=True))


def _explain(overdue: Sequence[PodKey], ready: int, telemetry: Telemetry) -> Unknown:
    why = next(telemetry.explain(part, overdue[0]) for part in FLOW_PARTS if _lacks(telemetry, part, overdue[0]))
    if telemetry.problem is not None or len(overdue) == ready == 1 or why.reason.startswith("Prometheus"):
        return why
    names = ", ".join(key.pod for key in overdue[:NAMED_PODS]) + (", …" if len(overdue) > NAMED_PODS else "")
    return Unknown(why.reason, f"{len(overdue)} of {ready} ready pods cannot be measured ({names}): {why.message}")


def _await_first(pods: Sequence[PodKey], telemetry: Telemetry, grace_seconds: float) -> Unknown:
    """What to say when all ready pods are new and none can be measured: nothing is wrong, unless something else is."""
    why = _explain(pods, len(pods), telemetry)
    if why.reason not in (Reason.NO_SERIES, Reason.METRICS_WARMING_UP):
        return why
    return Unknown(
        Reason.METRICS_WARMING_UP,
        f"the first samples of new pods are awaited, for up to {grace_seconds:.0f} s after they became ready",
    )


def _lacks(telemetry: Telemetry, part: str, pod: PodKey) -> bool:
    return telemetry.value(part, pod) is None


def _is_new(pod: PodRecord, now: float, grace_seconds: float) -> bool:
    return pod.ready_at is not None and now - pod.ready_at < grace_seconds


def _sum(flows: Sequence[Flow]) -> Flow:
    return Flow(*(math.fsum(part) for part in zip(*flows, strict=True))) if flows else Flow(0.0, 0.0, 0.0, 0.0, 0.0)


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None


def _trailing_ratio(numerator: FloatArray, denominator: FloatArray, rows: int) -> FloatArray:
    """Ratio of the sums over the last `rows` rows, holes left out; 0 where nothing was seen."""
    whole = np.isfinite(numerator) & np.isfinite(denominator)
    above, below = (_trailing_sum(np.where(whole, part, 0.0), rows) for part in (numerator, denominator))
    return np.divide(above, below, out=np.zeros_like(above), where=below > 1e-9)


def _trailing_sum(values: FloatArray, rows: int) -> FloatArray:
    total = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    difference: FloatArray = total[ends] - total[np.maximum(ends - rows, 0)]
    return difference
