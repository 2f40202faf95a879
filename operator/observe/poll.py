"""One round of questions to Prometheus: the live ones, and a bite or two of the past, within one deadline."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import Workload, WorkloadKey
from foresail.operator.observe.answers import Matrix, Unavailable, Vector
from foresail.operator.observe.attainment import Layout
from foresail.operator.observe.history import Grid, GridShape
from foresail.operator.observe.labels import doubly_scraped, jobs_of
from foresail.operator.observe.prometheus import PrometheusClient
from foresail.operator.observe.queries import Indicator, Queries
from foresail.operator.observe.scrapes import ScrapeInterval
from foresail.operator.observe.telemetry import Answers, Telemetry
from foresail.operator.settings import Settings

SURVEY_SECONDS: Final = 600.0  # buckets change when engines are upgraded, intervals when Prometheus is set otherwise
SKEW_SECONDS: Final = 30.0
RECENT_SECONDS: Final = 7200.0
RECENT_STEP_SECONDS: Final = (5.0, 60.0)  # a cycle's time, within these

logger = logging.getLogger(__name__)


def recent_shape(settings: Settings) -> GridShape:
    """Two hours at about a cycle's step."""
    least, most = RECENT_STEP_SECONDS
    step = min(max(settings.cycle_seconds, least), most)
    return GridShape(step, round(RECENT_SECONDS / step))


def history_shape(settings: Settings) -> GridShape:
    """As far back and as coarse as the settings say."""
    rows = round(settings.history_hours * 3600 / settings.history_step_seconds)
    return GridShape(settings.history_step_seconds, max(rows, 1), long=True)


@dataclass(slots=True)
class Past:
    """Both grids of the fleet's past demand."""

    recent: Grid
    history: Grid
    keeps_history: bool = True

    @classmethod
    def from_settings(cls, settings: Settings) -> Past:
        """Empty grids of the shapes that the settings say."""
        return cls(Grid(recent_shape(settings)), Grid(history_shape(settings)), settings.history_hours > 0)

    def follow(self, workloads: Mapping[WorkloadKey, Workload], now: float) -> None:
        """Move both grids on to now; the coarse one to its newest row that is over."""
        self.recent.follow(workloads, now, row=self.recent.shape.row(now))
        if self.keeps_history:
            row = int(now // self.history.shape.step_seconds)
            self.history.extend(row)
            self.history.follow(workloads, now, row=row)


@dataclass(slots=True)
class Poll:
    """Asks Prometheus, once a cycle, always the same number of questions."""

    client: PrometheusClient
    queries: Queries
    deadline_seconds: float
    interval: ScrapeInterval = field(default_factory=ScrapeInterval)
    layout: Layout = field(default_factory=Layout)
    _learned_at: dict[str, float] = field(default_factory=dict)
    _jobs: frozenset[str] = frozenset()
    _said: set[str] = field(default_factory=set)

    @classmethod
    def from_settings(cls, settings: Settings, client: PrometheusClient) -> Poll:
        """The questions that the settings ask for."""
        interval = ScrapeInterval(settings.scrape_interval_seconds)
        return cls(
            client,
            Queries(interval.seconds, settings.namespace, settings.cycle_seconds),
            settings.prometheus_deadline_seconds,
            interval,
        )

    async def ask(self, now: float, workloads: Mapping[WorkloadKey, Workload], past: Past) -> Telemetry:
        """Ask for the present, and go on with fetching the past."""
        due = self._due(now)
        unlearned = due - self._learned_at.keys()
        if unlearned:  # the questions depend on it
            await self._within_deadline({name: self._learn(name, now) for name in sorted(unlearned)})
        asked = self._live(now, workloads.values())
        asked |= {name: self._learn(name, now) for name in sorted(due - unlearned)}
        recent = past.recent.bite()
        history = past.history.bite(size=1 if recent else 2) if past.keeps_history else None
        for name, grid, span in (("recent", past.recent, recent), ("history", past.history, history)):
            if span is not None:
                asked[name] = self._range(name, grid.shape.step_seconds, *span)
        found = await self._within_deadline(asked)
        for grid, span, answer in (
            (past.recent, recent, found.pop("recent", None)),
            (past.history, history, found.pop("history", None)),
        ):
            if span is not None and isinstance(answer, Matrix | Unavailable):
                grid.take(span, answer, workloads)
        for name in due:
            found.pop(name, None)
        self._say_warnings(found.values())
        return self._understand(found)

    def _live(
        self, now: float, workloads: Iterable[Workload]
    ) -> dict[str, Coroutine[Any, Any, Vector | Matrix | Unavailable]]:
        slos = [workload.slo for workload in workloads]
        ttft = self.layout.around(slo.ttft_milliseconds / 1000 for slo in slos)
        tpot = self.layout.around(slo.tpot_milliseconds / 1000 for slo in slos)
        texts = {
            "age": self.queries.age_seconds(),
            "running": self.queries.running(),
            "waiting": self.queries.waiting(),
            "cache": self.queries.cache(),
            "growth": self.queries.growth(),
            "finished": self.queries.rate(Indicator.FINISHED),
            "prompt_tokens": self.queries.rate(Indicator.PROMPT_TOKENS),
            "generation_tokens": self.queries.rate(Indicator.GENERATION_TOKENS),
            "tpot_mean": self.queries.tpot_mean(),
            "ttft": self.queries.buckets(Indicator.TTFT, ttft),
            "tpot": self.queries.buckets(Indicator.TPOT, tpot),
        }
        return {name: self.client.query(text, now, name=name) for name, text in texts.items()}

    def _range(
        self, name: str, step_seconds: float, first: int, last: int
    ) -> Coroutine[Any, Any, Vector | Matrix | Unavailable]:
        start, end = first * step_seconds, last * step_seconds
        text = self.queries.flows(step_seconds)
        return self.client.query_range(text, start=start, end=end, step_seconds=step_seconds, name=name)

    def _due(self, now: float) -> set[str]:
        """What was not learned for long, or never, or not of every job."""
        names = {"bounds"} if self.interval.configured is not None else {"bounds", "spacings"}
        due = {name for name in names if now - self._learned_at.get(name, -math.inf) >= SURVEY_SECONDS}
        return due if self._jobs <= self.interval.jobs else due | names - {"bounds"}

    async def _learn(self, name: str, now: float) -> Vector | Unavailable:
        text = self.queries.bounds() if name == "bounds" else self.queries.spacings()
        answer = await self.client.query(text, now, name=name)
        if isinstance(answer, Vector) and self._take_in(name, answer):
            self._learned_at[name] = now
        return answer

    def _take_in(self, name: str, answer: Vector) -> bool:
        """Learn from an answer; whether there was anything to be learned."""
        if name == "bounds":
            self.layout.learn(answer)
            return bool(answer.labels)
        learned = self.interval.learn(answer)
        self.queries = replace(self.queries, scrape_seconds=self.interval.seconds)
        return learned

    async def _within_deadline(
        self, asked: Mapping[str, Coroutine[Any, Any, Vector | Matrix | Unavailable]]
    ) -> dict[str, Vector | Matrix | Unavailable]:
        """Answers by name; what has not come by the deadline is unavailable."""
        tasks = {name: asyncio.ensure_future(question) for name, question in asked.items()}
        try:
            await asyncio.wait(tasks.values(), timeout=self.deadline_seconds)
        finally:
            late = [task for task in tasks.values() if not task.done()]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        message = (
            f"Prometheus at {self.client.url} did not answer all queries within {self.deadline_seconds:g} s; "
            "look at its load, or raise prometheus_deadline_seconds"
        )
        return {
            name: Unavailable(Reason.PROMETHEUS_TIMEOUT, message) if task in late else task.result()
            for name, task in tasks.items()
        }

    def _understand(self, found: Mapping[str, Vector | Matrix | Unavailable]) -> Telemetry:
        vectors = {name: answer for name, answer in found.items() if not isinstance(answer, Matrix)}
        telemetry = Telemetry(
            Answers(**vectors), scrape_seconds=self.queries.scrape_seconds, problem=self._clock_problem(vectors)
        )
        self._jobs = jobs_of(telemetry.answers.running)
        doubly = doubly_scraped(telemetry.answers.running)
        if doubly:
            example = min(doubly)
            self._say(f"several jobs scrape the same pods, such as {example.namespace}/{example.pod}; each counts once")
        return telemetry

    def _clock_problem(self, found: Mapping[str, Vector | Unavailable]) -> Unknown | None:
        ahead = self.client.clock_ahead_seconds
        if abs(ahead) <= SKEW_SECONDS or all(isinstance(answer, Unavailable) for answer in found.values()):
            return None
        return Unknown(
            Reason.CLOCK_SKEW,
            f"Prometheus' clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours, "
            "so its samples cannot be dated; check NTP on both machines",
        )

    def _say_warnings(self, answers: Iterable[Vector | Matrix | Unavailable]) -> None:
        for answer in answers:
            for text in () if isinstance(answer, Unavailable) else answer.warnings:
                self._say(f"Prometheus warns: {text}")

    def _say(self, text: str) -> None:
        if text not in self._said and len(self._said) < 1000:
            self._said.add(text)
            logger.warning("%s", text)
