"""The past as engines would have exported it, in OpenMetrics text for `promtool tsdb create-blocks-from openmetrics`.

Before Foresail a fixed number of replicas served, enough for the highest interval. Each is in a steady state (see
steady.py); counts of an interval vary as those of live arrivals do, with cv² times the variance of a Poisson process.
Counters only grow. One sample per series and interval of the trace; the last lies at `end`. The pods are others than
the live ones, as after a rollout: nothing has to be continued, so nothing looks like a reset.

The histograms are left out: they are thirty series per pod, and nobody asks what attainment was last week.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

import numpy as np

from foresail.domain.snapshot import Demand
from foresail.domain.timeseries import FloatArray
from foresail.simulator.baselines import peak_replicas
from foresail.simulator.engine import EngineSettings
from foresail.simulator.metrics import FINISHED_REASONS, NAMES, Dialect, labels_of, write_labels
from foresail.simulator.steady import working_point
from foresail.simulator.trace import RateTrace

SUFFIX_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"  # of names that Kubernetes makes up
HASH_LENGTH: Final = 10
SUFFIX_LENGTH: Final = 5
MOST_REPLICAS: Final = 10


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """Whose history is written.

    Args:
        namespace: Label of every series.
        workload: Name of the Deployment whose pods these were.
        model: Name that the model is served under.
        end: Instant of the last sample, seconds since the epoch; just before now, as Prometheus takes nothing live that
            is older than its blocks.
        dialect: Whose names.
        job: Label that the live scrape adds; None without.
        engine: Of every replica.
        seed: Of names and noise.
    """

    namespace: str
    workload: str
    model: str
    end: float
    dialect: Dialect = Dialect.VLLM
    job: str | None = "engines"
    engine: EngineSettings = field(default_factory=EngineSettings)
    seed: int = 0


def write_history(past: RateTrace, settings: HistorySettings, out: IO[str]) -> int:
    """Write the past of a trace, at the speed at which it is played, family by family.

    Returns:
        How many samples were written.
    """
    random = np.random.default_rng((settings.seed, 2))
    instants = [f"{time:.3f}" for time in settings.end - past.step_seconds * np.arange(len(past))[::-1]]
    pods = pod_names(settings.workload, min(peak_replicas(past, settings.engine), MOST_REPLICAS), random)
    families = _families(past, settings, len(pods), random)
    samples = 0
    for family, (kind, extra, values) in families.items():
        out.write(f"# TYPE {family.removesuffix('_total') if kind == 'counter' else family} {kind}\n")
        for pod, column in zip(pods, values, strict=True):
            labels = write_labels({**_labels(settings, pod), **extra})
            out.writelines(f"{family}{labels} {v} {t}\n" for v, t in zip(column, instants, strict=True))
            samples += len(instants)
    out.write("# EOF\n")
    return samples


def pod_names(workload: str, count: int, random: np.random.Generator) -> list[str]:
    """Names as a Deployment's pods have them: `chat-7d9f8c6b5d-x2x8z`."""

    def letters(length: int) -> str:
        return "".join(SUFFIX_LETTERS[place] for place in random.integers(len(SUFFIX_LETTERS), size=length))

    template = letters(HASH_LENGTH)
    return [f"{workload}-{template}-{letters(SUFFIX_LENGTH)}" for _ in range(count)]


def _labels(settings: HistorySettings, pod: str) -> dict[str, str]:
    job = {} if settings.job is None else {"job": settings.job}
    target = {"namespace": settings.namespace, "pod": pod}
    return job | target | labels_of(settings.model, settings.dialect)


_Family = tuple[str, Mapping[str, str], list[list[str]]]


def _families(
    past: RateTrace, settings: HistorySettings, replicas: int, random: np.random.Generator
) -> dict[str, _Family]:
    """By name: type, labels besides the pod's, and per replica the values as text."""
    names = NAMES[settings.dialect]
    requests = _counts(past, replicas, random)
    inputs = requests * past.input_tokens
    outputs = requests * past.output_tokens
    rates = np.stack([requests, inputs, outputs]) / past.step_seconds
    gauges = np.array([_gauges(settings.engine, rates[:, r]) for r in range(replicas)])
    reason = {"finished_reason": FINISHED_REASONS[0]} if names.finished_reasons else {}
    return {
        names.finished: ("counter", reason, _totals(requests)),
        names.prompt_tokens: ("counter", {}, _totals(inputs)),
        names.generation_tokens: ("counter", {}, _totals(outputs)),
        names.running: ("gauge", {}, [[f"{v:.0f}" for v in row] for row in gauges[:, 0]]),
        names.waiting: ("gauge", {}, [["0"] * len(past)] * replicas),
        names.cache: ("gauge", {}, [[f"{v:.4f}" for v in row] for row in gauges[:, 1]]),
    }


def _counts(past: RateTrace, replicas: int, random: np.random.Generator) -> FloatArray:
    """Requests per replica and interval, shape (replicas, N): whole numbers around the trace's."""
    mean = past.requests_per_second * past.step_seconds
    spread = np.minimum(past.arrival_cv, 3.0) * np.sqrt(mean)
    total = np.maximum(np.rint(mean + spread * random.standard_normal(len(mean))), 0.0)
    edges = np.rint(np.arange(replicas + 1)[:, None] / replicas * total)
    return np.asarray(np.diff(edges, axis=0), dtype=np.float64)


def _gauges(engine: EngineSettings, rates: FloatArray) -> FloatArray:
    """Running requests and KV use of one replica, shape (2, N), from its rates, shape (3, N)."""
    points: Iterator[tuple[float, float]] = (
        (point.running, point.kv_usage)
        for point in (working_point(Demand(*column), engine) for column in rates.T.tolist())
    )
    return np.array(list(points)).T


def _totals(increments: FloatArray) -> list[list[str]]:
    return [[f"{math.floor(total)}" for total in row] for row in np.cumsum(increments, axis=1).tolist()]
