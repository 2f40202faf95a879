"""The answers of one cycle, by pod: a value counts when it was scraped, is fresh and is a number.

Everything else is *unknown*, with the reason and what to do about it; nothing else is ever taken for zero. A pod that
two jobs scrape has every series twice: the larger one counts, so nothing is counted double, and the job that lags
behind does not hide what the other saw.

A pod is read from the series of one engine only: the one that its workload names or, where that is Auto, the one that
it has. A pod with the series of both (a proxy, a sidecar) is read from those that are fresh, vLLM's if both are.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, TypeVar

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import Engine
from foresail.operator.observe.answers import Labels, Unavailable, Vector
from foresail.operator.observe.queries import ADJACENT_SCRAPES, ENGINES, Indicator, names_of

SCRAPE_SLACK_SECONDS: Final = 5.0
# What is unknown because of one pod or another, not because Prometheus was not to be asked.
POD_REASONS: Final = frozenset(
    {Reason.NO_SERIES, Reason.STALE_SERIES, Reason.NOT_FINITE, Reason.METRICS_WARMING_UP, Reason.NO_READY_REPLICAS}
)


class PodKey(NamedTuple):
    """Identity of a pod in labels of series."""

    namespace: str
    pod: str


class Flow(NamedTuple):
    """What went through one pod or many, per second: requests and tokens done, and how the backlog grew."""

    finished: float
    prompt_tokens: float
    generation_tokens: float
    waiting_growth: float
    running_growth: float

    def times(self, factor: float) -> Flow:
        """This flow, scaled."""
        return Flow(*(part * factor for part in self))


T = TypeVar("T")
ByEngine = Mapping[Engine, Mapping[PodKey, T]]
_ENGINES: Final = {str(engine): engine for engine in ENGINES}
COUNTERS: Final = (Indicator.FINISHED, Indicator.PROMPT_TOKENS, Indicator.GENERATION_TOKENS)


@dataclass(frozen=True, slots=True)
class Answers:
    """What the live queries came back with. `age` is asked of the running requests."""

    age: Vector | Unavailable
    running: Vector | Unavailable
    waiting: Vector | Unavailable
    cache: Vector | Unavailable
    growth: Vector | Unavailable
    finished: Vector | Unavailable
    prompt_tokens: Vector | Unavailable
    generation_tokens: Vector | Unavailable
    tpot_mean: Vector | Unavailable
    ttft: Vector | Unavailable
    tpot: Vector | Unavailable


class Telemetry:
    """The answers by pod, as `engine` tells them.

    Args:
        answers: What the queries came back with.
        scrape_seconds: How often Prometheus scrapes the engines.
        problem: Why nothing of it may be trusted, None when it may.
    """

    engine = Engine.AUTO

    def __init__(self, answers: Answers, *, scrape_seconds: float, problem: Unknown | None = None) -> None:
        self.answers = answers
        self.problem = problem
        self._scrape_seconds = scrape_seconds
        self._fresh_seconds = ADJACENT_SCRAPES * scrape_seconds + SCRAPE_SLACK_SECONDS
        self._age = by_pod(answers.age, smallest=True)
        self._values: dict[str, ByEngine[float]] = {
            Indicator.RUNNING: by_pod(answers.running),
            Indicator.WAITING: by_pod(answers.waiting),
            Indicator.CACHE: by_pod(answers.cache),
            Indicator.FINISHED: by_pod(answers.finished),
            Indicator.PROMPT_TOKENS: by_pod(answers.prompt_tokens),
            Indicator.GENERATION_TOKENS: by_pod(answers.generation_tokens),
            "tpot_mean": by_pod(answers.tpot_mean),
            "waiting_growth": by_pod(answers.growth, of="waiting"),
            "running_growth": by_pod(answers.growth, of="running"),
        }
        self._models = _models(answers.running)
        self._places = _places(answers.growth)
        self._found = {  # the last one that is written counts
            pod: engine
            for fresh in (False, True)
            for engine in reversed(ENGINES)
            for pod, age in self._age[engine].items()
            if (age <= self._fresh_seconds) is fresh
        }

    def of(self, engine: Engine) -> Self:
        """The same answers, as this engine tells them."""
        view = copy.copy(self)
        view.engine = engine
        return view

    def pick(self, found: ByEngine[T], pod: PodKey) -> T | None:
        """What was found of a pod in the engine that it is read from, or in any if it has gone; None when nothing."""
        engine = self.engine if self.engine is not Engine.AUTO else self._found.get(pod)
        return next((found[each][pod] for each in ENGINES if engine in (each, None) and pod in found[each]), None)

    def value(self, what: str, pod: PodKey) -> float | None:
        """A number of a pod that is fresh, None when there is none."""
        if not self.is_fresh(pod):
            return None
        value = self.pick(self._values[what], pod)
        return value if value is not None and math.isfinite(value) else None

    def has(self, what: str, pod: PodKey) -> bool:
        """Whether a pod tells of something at all, be it no number."""
        return self.is_fresh(pod) and self.pick(self._values[what], pod) is not None

    def model(self, pod: PodKey) -> str | None:
        """The name of the model that a pod's series carry."""
        return self.pick(self._models, pod)

    def covered_seconds(self, namespace: str) -> float:
        """What of the window had samples, of some pod at least: rates are means of that. Infinite when unknown."""
        return self._places.get(namespace, math.inf) * self._scrape_seconds

    def is_fresh(self, pod: PodKey) -> bool:
        """Whether a pod was scraped lately."""
        age = self.pick(self._age, pod)
        return self.problem is None and age is not None and age <= self._fresh_seconds

    def flow(self, pod: PodKey, *, counted: frozenset[Indicator]) -> Flow | None:
        """What goes through a pod; None when any part of it is unknown.

        Engines make some counters with the first request. So a counter that a fresh, idle pod lacks stands at zero,
        if other pods of its workload have it (`counted`): then the name is right and there was nothing to count.
        """
        waiting, running = self.value("waiting_growth", pod), self.value("running_growth", pod)
        if waiting is None or running is None:
            return None
        idle = waiting == running == self.value(Indicator.WAITING, pod) == self.value(Indicator.RUNNING, pod) == 0.0
        rates: list[float] = []
        for indicator in COUNTERS:
            rate = self.value(indicator, pod)
            if rate is None and idle and indicator in counted and not self.has(indicator, pod):
                rate = 0.0
            if rate is None:
                return None
            rates.append(rate)
        return Flow(rates[0], rates[1], rates[2], waiting, running)

    def counters_of(self, pods: list[PodKey]) -> frozenset[Indicator]:
        """The counters that at least one of these pods has."""
        return frozenset(i for i in COUNTERS if any(self.value(i, pod) is not None for pod in pods))

    def explain(self, what: str, pod: PodKey) -> Unknown:
        """Why a number of a pod is unknown, and how to mend it."""
        if self.problem is not None:
            return self.problem
        answer = self._answer_to(what)
        for missing in (self.answers.age, answer):
            if isinstance(missing, Unavailable):
                return Unknown(missing.reason, missing.message)
        labels = f'{{namespace="{pod.namespace}", pod="{pod.pod}"}}'
        age = self.pick(self._age, pod)
        if age is None:
            return Unknown(
                Reason.NO_SERIES,
                f"Prometheus has no series {names_of(Indicator.RUNNING, self.engine)} with labels {labels}; "
                + self._mend_absence(pod),
            )
        if not age <= self._fresh_seconds:
            return Unknown(
                Reason.STALE_SERIES,
                f"the last sample with labels {labels} is {age:.0f} s old, beyond {self._fresh_seconds:.0f} s with a "
                f"scrape every {self._scrape_seconds:g} s; check that the scrape target is up, and that "
                "scrape_interval_seconds, where it is set, is Prometheus'",
            )
        return self._explain_value(what, pod, labels)

    def _explain_value(self, what: str, pod: PodKey, labels: str) -> Unknown:
        engine = self._found.get(pod, Engine.AUTO) if self.engine is Engine.AUTO else self.engine
        name = names_of(Indicator(what), engine) if what in set(Indicator) else what.replace("_", " ")
        value = self.pick(self._values[what], pod)
        if value is not None:
            return Unknown(
                Reason.NOT_FINITE, f"{name} with labels {labels} is {value}, no number; look at the engine's log"
            )
        if what.endswith("_growth") or what in COUNTERS:
            return Unknown(
                Reason.METRICS_WARMING_UP,
                f"there are not yet two samples of {name} with labels {labels} close enough for a rate; "
                "after an outage or a start this takes two scrapes, else check the series' name",
            )
        return Unknown(
            Reason.NO_SERIES, f"Prometheus has no series {name} with labels {labels}; check the engine's version"
        )

    def _mend_absence(self, pod: PodKey) -> str:
        other = next((engine for engine in ENGINES if pod in self._age[engine]), None)
        if other is None:
            return "check that a PodMonitor or scrape job takes in the pod and keeps the labels namespace and pod"
        return f"it has {names_of(Indicator.RUNNING, other)}: set spec.engine to {other} or Auto"

    def _answer_to(self, what: str) -> Vector | Unavailable:
        answer: Vector | Unavailable = getattr(self.answers, "growth" if what.endswith("_growth") else what)
        return answer


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


def _larger(one: float, other: float) -> float:
    """The larger number; what is no number loses against one that is."""
    if not math.isfinite(one) or not math.isfinite(other):
        return other if math.isfinite(other) else one
    return max(one, other)


def _places(answer: Vector | Unavailable) -> Mapping[str, float]:
    places: dict[str, float] = {}
    if isinstance(answer, Vector):
        for labels, count in zip(answer.labels, answer.values.tolist(), strict=True):
            if labels.get("of") == "places" and count > 0:
                namespace = labels.get("namespace", "")
                places[namespace] = max(places.get(namespace, 0.0), count)
    return places


def _models(answer: Vector | Unavailable) -> ByEngine[str]:
    labels = () if isinstance(answer, Unavailable) else answer.labels
    return {
        engine: {
            key_of(each): each["model_name"] for each in labels if engine_of(each) is engine and each.get("model_name")
        }
        for engine in ENGINES
    }
