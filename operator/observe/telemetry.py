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
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import Engine
from foresail.operator.observe.answers import Unavailable, Vector
from foresail.operator.observe.labels import ByEngine, PodKey, T, by_pod, models_of, places_of
from foresail.operator.observe.queries import ADJACENT_SCRAPES, ENGINES, Indicator, names_of

SCRAPE_SLACK_SECONDS: Final = 5.0
# What is unknown because of one pod or another, not because Prometheus was not to be asked.
POD_REASONS: Final = frozenset(
    {Reason.NO_SERIES, Reason.STALE_SERIES, Reason.NOT_FINITE, Reason.METRICS_WARMING_UP, Reason.NO_READY_REPLICAS}
)


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
        self._models = models_of(answers.running)
        self._places = places_of(answers.growth)
        self._fresh = {
            engine: frozenset(pod for pod, age in ages.items() if age <= self._fresh_seconds)
            for engine, ages in self._age.items()
        }
        self._found = {  # the last one that is written counts
            pod: engine
            for fresh in (False, True)
            for engine in reversed(ENGINES)
            for pod in self._age[engine]
            if (pod in self._fresh[engine]) is fresh
        }

    def of(self, engine: Engine) -> Self:
        """The same answers, as this engine tells them."""
        view = copy.copy(self)
        view.engine = engine
        return view

    def pick(self, found: ByEngine[T], pod: PodKey) -> T | None:
        """What was found of a pod in the engine that it is read from, or in any if it has gone; None when nothing."""
        engine = self._engine_of(pod)
        if engine is not None:
            return found[engine].get(pod)
        return next((found[each][pod] for each in ENGINES if pod in found[each]), None)

    def _engine_of(self, pod: PodKey) -> Engine | None:
        return self.engine if self.engine is not Engine.AUTO else self._found.get(pod)

    def value(self, what: str, pod: PodKey) -> float | None:
        """A number of a pod that is fresh, None when there is none."""
        engine = self._fresh_engine_of(pod)
        value = None if engine is None else self._values[what][engine].get(pod)
        return value if value is not None and math.isfinite(value) else None

    def has(self, what: str, pod: PodKey) -> bool:
        """Whether a pod tells of something at all, be it no number."""
        engine = self._fresh_engine_of(pod)
        return engine is not None and pod in self._values[what][engine]

    def model(self, pod: PodKey) -> str | None:
        """The name of the model that a pod's series carry."""
        return self.pick(self._models, pod)

    def covered_seconds(self, namespace: str) -> float:
        """What of the window had samples, of some pod at least: rates are means of that. Infinite when unknown."""
        return self._places.get(namespace, math.inf) * self._scrape_seconds

    def is_fresh(self, pod: PodKey) -> bool:
        """Whether a pod was scraped lately."""
        return self._fresh_engine_of(pod) is not None

    def _fresh_engine_of(self, pod: PodKey) -> Engine | None:
        """The engine that a pod is read from, None when it was not scraped lately or nothing may be trusted."""
        engine = self._engine_of(pod)
        return engine if self.problem is None and engine is not None and pod in self._fresh[engine] else None

    def flow(self, pod: PodKey, *, counted: frozenset[Indicator]) -> Flow | None:
        """What goes through a pod; None when any part of it is unknown.

        Engines make some counters with the first request. So a counter that a fresh, idle pod lacks stands at zero,
        if other pods of its workload have it (`counted`): then the name is right and there was nothing to count.
        """
        waiting, running = self.value("waiting_growth", pod), self.value("running_growth", pod)
        if waiting is None or running is None:
            return None
        rates: list[float] = []
        for indicator in COUNTERS:
            rate = self.value(indicator, pod)
            if rate is None and indicator in counted and not self.has(indicator, pod) and self._is_idle(pod):
                rate = 0.0
            if rate is None:
                return None
            rates.append(rate)
        return Flow(rates[0], rates[1], rates[2], waiting, running)

    def _is_idle(self, pod: PodKey) -> bool:
        """Whether nothing runs or waits on a pod, nor did during the window, as far as it ends as it began."""
        parts = ("waiting_growth", "running_growth", Indicator.WAITING, Indicator.RUNNING)
        return all(self.value(part, pod) == 0.0 for part in parts)

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
                f"the last sample with labels {labels} is older than {self._fresh_seconds:.0f} s with a "
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
        if what in COUNTERS and self.value("running_growth", pod) is not None and not self._is_idle(pod):
            return Unknown(
                Reason.NO_SERIES,
                f"Prometheus has not two samples of {name} with labels {labels}, but of the running requests it has; "
                "engines make some series with the first request, else check the series' name",
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
