"""The answers of one cycle, by pod: a value counts when it was scraped, is fresh and is a number.

Everything else is *unknown*, with the reason and what to do about it; nothing else is ever taken for zero. A pod that
two jobs scrape has every series twice: the larger one counts, so nothing is counted double, and the job that lags
behind does not hide what the other saw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.operator.observe.answers import Unavailable, Vector
from foresail.operator.observe.queries import ADJACENT_SCRAPES, Indicator, names_of

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


ByPod = Mapping[PodKey, float]
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
    """The answers by pod.

    Args:
        answers: What the queries came back with.
        scrape_seconds: How often Prometheus scrapes the engines.
        problem: Why nothing of it may be trusted, None when it may.
    """

    def __init__(self, answers: Answers, *, scrape_seconds: float, problem: Unknown | None = None) -> None:
        self.answers = answers
        self.problem = problem
        self._fresh_seconds = ADJACENT_SCRAPES * scrape_seconds + SCRAPE_SLACK_SECONDS
        self._age = by_pod(answers.age, smallest=True)
        self._values: dict[str, ByPod] = {
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
        self.models = _models(answers.running)

    def value(self, what: str, pod: PodKey) -> float | None:
        """A number of a pod that is fresh, None when there is none."""
        if not self.is_fresh(pod):
            return None
        value = self._values[what].get(pod)
        return value if value is not None and math.isfinite(value) else None

    def is_fresh(self, pod: PodKey) -> bool:
        """Whether a pod was scraped lately."""
        age = self._age.get(pod)
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
            if rate is None and idle and indicator in counted and pod not in self._values[indicator]:
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
        age = self._age.get(pod)
        if age is None:
            return Unknown(
                Reason.NO_SERIES,
                f"Prometheus has no series {names_of(Indicator.RUNNING)} with labels {labels}; "
                "check that a PodMonitor or scrape job takes in the pod and keeps the labels namespace and pod",
            )
        if not age <= self._fresh_seconds:
            return Unknown(
                Reason.STALE_SERIES,
                f"the last sample with labels {labels} is {age:.0f} s old, beyond {self._fresh_seconds:.0f} s; "
                "check that the scrape target is up, and that scrape_interval_seconds is Prometheus'",
            )
        return self._explain_value(what, pod, labels)

    def _explain_value(self, what: str, pod: PodKey, labels: str) -> Unknown:
        name = names_of(Indicator(what)) if what in set(Indicator) else what.replace("_", " ")
        value = self._values[what].get(pod)
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

    def _answer_to(self, what: str) -> Vector | Unavailable:
        answer: Vector | Unavailable = getattr(self.answers, "growth" if what.endswith("_growth") else what)
        return answer


def by_pod(answer: Vector | Unavailable, *, of: str | None = None, smallest: bool = False) -> dict[PodKey, float]:
    """Values by pod: added over what differs within a job, the larger (or `smallest`) of several jobs.

    A series that comes twice with the very same labels counts once. What is not a number stays so.
    """
    if isinstance(answer, Unavailable):
        return {}
    series: dict[tuple[str, str, str, str], float] = {}
    for labels, value in zip(answer.labels, answer.values.tolist(), strict=True):
        if of is None or labels.get("of") == of:
            pod = labels.get("pod")
            if pod:
                key = (labels.get("namespace", ""), pod, labels.get("job", ""), labels.get("model_name", ""))
                series[key] = _larger(series[key], value) if key in series else value
    jobs: dict[tuple[str, str, str], float] = {}
    for (namespace, pod, job, _), value in series.items():
        jobs[namespace, pod, job] = jobs.get((namespace, pod, job), 0.0) + value
    pods: dict[PodKey, float] = {}
    for (namespace, pod, _), value in jobs.items():
        pod_key = PodKey(namespace, pod)
        if pod_key in pods:
            pods[pod_key] = min(pods[pod_key], value) if smallest else _larger(pods[pod_key], value)
        else:
            pods[pod_key] = value
    return pods


def doubly_scraped(answer: Vector | Unavailable) -> set[PodKey]:
    """Pods whose series come from more than one job."""
    jobs: dict[PodKey, set[str]] = {}
    for labels in () if isinstance(answer, Unavailable) else answer.labels:
        jobs.setdefault(PodKey(labels.get("namespace", ""), labels.get("pod", "")), set()).add(labels.get("job", ""))
    return {pod for pod, names in jobs.items() if len(names) > 1}


def _larger(one: float, other: float) -> float:
    """The larger number; what is no number loses against one that is."""
    if not math.isfinite(one) or not math.isfinite(other):
        return other if math.isfinite(other) else one
    return max(one, other)


def _models(answer: Vector | Unavailable) -> Mapping[PodKey, str]:
    if isinstance(answer, Unavailable):
        return {}
    return {
        PodKey(labels.get("namespace", ""), labels.get("pod", "")): labels["model_name"]
        for labels in answer.labels
        if labels.get("model_name")
    }
