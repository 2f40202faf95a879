"""Answers as Prometheus would give them for pods of the fake, without asking."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from foresail.domain.snapshot import Unknown
from foresail.operator.observe.answers import Unavailable, Vector
from foresail.operator.observe.telemetry import Answers, Telemetry
from tests.fakes.prometheus import PodLoad

NAMES = (
    "age",
    "running",
    "waiting",
    "cache",
    "growth",
    "finished",
    "prompt_tokens",
    "generation_tokens",
    "tpot_mean",
    "ttft",
    "tpot",
)
Series = list[tuple[dict[str, str], float]]


def make_series(pods: Mapping[str, PodLoad], *, namespace: str = "prod") -> dict[str, Series]:
    """Series of every live query, but for those that a pod lacks."""
    series: dict[str, Series] = {name: [] for name in NAMES}
    for pod, load in pods.items():
        labels = {"namespace": namespace, "pod": pod, "job": load.job, "engine": load.engine}
        values = {
            "age": load.age_seconds,
            "running": load.running,
            "waiting": load.waiting,
            "cache": load.cache,
            "finished": load.rps,
            "prompt_tokens": load.rps * load.input_tokens,
            "generation_tokens": load.rps * load.output_tokens,
            "tpot_mean": load.tpot_seconds,
        }
        for name, value in values.items():
            if name not in load.missing:
                series[name].append((labels, value))
        if "growth" not in load.missing:
            series["growth"].append((labels | {"of": "waiting"}, load.waiting_growth))
            series["growth"].append((labels | {"of": "running"}, load.running_growth))
    return series


def to_vector(series: Series) -> Vector:
    return Vector(tuple(labels for labels, _ in series), np.array([value for _, value in series]))


def tell(series: Mapping[str, Series | Unavailable], problem: Unknown | None = None) -> Telemetry:
    """What a cycle understands of these series."""
    answers = {name: entry if isinstance(entry, Unavailable) else to_vector(entry) for name, entry in series.items()}
    return Telemetry(Answers(**answers), scrape_seconds=15.0, problem=problem)


def tell_of(pods: Mapping[str, PodLoad]) -> Telemetry:
    return tell(make_series(pods))
