"""Whom the entries of an answer tell of, by their labels: the pod, the engine whose series they were, the job."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from foresail.domain.workload import Engine
from foresail.operator.observe.answers import Labels, Unavailable, Vector
from foresail.operator.observe.queries import ENGINES


class PodKey(NamedTuple):
    """Identity of a pod in labels of series."""

    namespace: str
    pod: str


T = TypeVar("T")
ByEngine = Mapping[Engine, Mapping[PodKey, T]]
_ENGINES: Final = {str(engine): engine for engine in ENGINES}


def engine_of(labels: Labels) -> Engine | None:
    """The engine whose series made an entry of an answer."""
    return _ENGINES.get(labels.get("engine", ""))


def by_pod(answer: Vector | Unavailable, *, of: str | None = None, smallest: bool = False) -> ByEngine[float]:
    """Values by engine and pod: added over what differs within a job, the larger (or `smallest`) of several jobs.

    A series that comes twice with the very same labels counts once. What is not a number stays so.
    """
    found: dict[Engine, dict[PodKey, float]] = {engine: {} for engine in ENGINES}
    if isinstance(answer, Unavailable):
        return found
    series: dict[tuple[Engine, PodKey, str, str], float] = {}
    for labels, value in zip(answer.labels, answer.values.tolist(), strict=True):
        engine, pod = engine_of(labels), labels.get("pod")
        if engine and pod and (of is None or labels.get("of") == of):
            key = (engine, key_of(labels), labels.get("job", ""), labels.get("model_name", ""))
            series[key] = _larger(series[key], value) if key in series else value
    jobs: dict[tuple[Engine, PodKey, str], float] = {}
    for (engine, key_of_pod, job, _), value in series.items():
        jobs[engine, key_of_pod, job] = jobs.get((engine, key_of_pod, job), 0.0) + value
    for (engine, key_of_pod, _), value in jobs.items():
        pods = found[engine]
        if key_of_pod in pods:
            pods[key_of_pod] = min(pods[key_of_pod], value) if smallest else _larger(pods[key_of_pod], value)
        else:
            pods[key_of_pod] = value
    return found


def key_of(labels: Labels) -> PodKey:
    """The pod that labels name."""
    return PodKey(labels.get("namespace", ""), labels.get("pod", ""))


def jobs_of(answer: Vector | Unavailable) -> frozenset[str]:
    """The jobs that scrape the engines."""
    labels = () if isinstance(answer, Unavailable) else answer.labels
    return frozenset(each.get("job", "") for each in labels)


def doubly_scraped(answer: Vector | Unavailable) -> set[PodKey]:
    """Pods whose series of one engine come from more than one job."""
    jobs: dict[tuple[PodKey, Engine | None], set[str]] = {}
    for labels in () if isinstance(answer, Unavailable) else answer.labels:
        jobs.setdefault((key_of(labels), engine_of(labels)), set()).add(labels.get("job", ""))
    return {pod for (pod, _), names in jobs.items() if len(names) > 1}


def places_of(answer: Vector | Unavailable) -> Mapping[str, float]:
    """How many places of the window had samples, by namespace."""
    places: dict[str, float] = {}
    if isinstance(answer, Vector):
        for labels, count in zip(answer.labels, answer.values.tolist(), strict=True):
            if labels.get("of") == "places" and count > 0:
                namespace = labels.get("namespace", "")
                places[namespace] = max(places.get(namespace, 0.0), count)
    return places


def models_of(answer: Vector | Unavailable) -> ByEngine[str]:
    """Names of models, by engine and pod."""
    labels = () if isinstance(answer, Unavailable) else answer.labels
    return {
        engine: {
            key_of(each): each["model_name"] for each in labels if engine_of(each) is engine and each.get("model_name")
        }
        for engine in ENGINES
    }


def _larger(one: float, other: float) -> float:
    """The larger number; what is no number loses against one that is."""
    if not math.isfinite(one) or not math.isfinite(other):
        return other if math.isfinite(other) else one
    return max(one, other)
