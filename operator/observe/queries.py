"""Every question to Prometheus, as data: which series tell an indicator in which engine, and how it is asked for.

The number of questions is constant: each covers the fleet, and both old and new names of vLLM's series and SGLang's.
What comes of which engine's names is told by the label `engine`, so that the reader takes those that a workload names.
It is set after adding up: series of vLLM have a label of that name themselves.

Rates must be right when scrapes were missed, when a pod is new and when a counter starts again. `rate(m[1m])` is not:
after an outage it divides what the last seconds brought by a minute. So the rate is taken between the last two samples
(`irate`), wherever in the window there are two close ones, and averaged over those places:
`avg_over_time(irate(m[3 scrapes])[4 scrapes:scrape])`. A first sample is no increase. The growth of a queue is the
slope of its samples (`deriv`), which does not look beyond the window as a difference with `offset` would.

A pod scraped by two jobs has every series twice: what is asked for stays apart by job, and the reader takes the larger
one. In the history, where series are added over pods, the query itself does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from foresail.domain.workload import Engine


class Indicator(StrEnum):
    """What an engine tells of itself."""

    RUNNING = "running"
    WAITING = "waiting"
    CACHE = "cache"
    FINISHED = "finished"
    PROMPT_TOKENS = "prompt_tokens"
    GENERATION_TOKENS = "generation_tokens"
    TTFT = "ttft"
    TPOT = "tpot"


ENGINES: Final = (Engine.VLLM, Engine.SGLANG)  # by preference, where a pod has the series of both
# Names by preference: where a pod has several of one engine's, the first counts. TPOT is promised per request; engines
# that only tell the time between two tokens are taken by their word, which is the mean over tokens instead.
SERIES: Final[Mapping[Indicator, Mapping[Engine, Sequence[str]]]] = {
    Indicator.RUNNING: {
        Engine.VLLM: ("vllm:num_requests_running",),
        Engine.SGLANG: ("sglang:num_running_reqs",),
    },
    Indicator.WAITING: {
        Engine.VLLM: ("vllm:num_requests_waiting",),
        Engine.SGLANG: ("sglang:num_queue_reqs",),
    },
    Indicator.CACHE: {
        Engine.VLLM: ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        Engine.SGLANG: ("sglang:token_usage",),
    },
    Indicator.FINISHED: {
        Engine.VLLM: ("vllm:request_success_total",),
        Engine.SGLANG: ("sglang:num_requests_total",),
    },
    Indicator.PROMPT_TOKENS: {
        Engine.VLLM: ("vllm:prompt_tokens_total",),
        Engine.SGLANG: ("sglang:prompt_tokens_total",),
    },
    Indicator.GENERATION_TOKENS: {
        Engine.VLLM: ("vllm:generation_tokens_total",),
        Engine.SGLANG: ("sglang:generation_tokens_total",),
    },
    Indicator.TTFT: {
        Engine.VLLM: ("vllm:time_to_first_token_seconds",),
        Engine.SGLANG: ("sglang:time_to_first_token_seconds",),
    },
    Indicator.TPOT: {
        Engine.VLLM: (
            "vllm:request_time_per_output_token_seconds",
            "vllm:time_per_output_token_seconds",
            "vllm:inter_token_latency_seconds",
        ),
        Engine.SGLANG: ("sglang:time_per_output_token_seconds", "sglang:inter_token_latency_seconds"),
    },
}

MINUTE_SECONDS: Final = 60.0
WINDOW_SCRAPES: Final = 4
ADJACENT_SCRAPES: Final = 3  # two samples so close make a rate: one scrape may be missed
MAX_PLACES: Final = 10  # at which a step of the past is looked at
SPARSE_SECONDS: Final = 60.0  # imported samples lie as far apart, or as a step of the past
SHARE_SECONDS: Final = 300.0  # attainment is of the last five minutes
SPACING_SECONDS: Final = 300.0  # in which samples are looked at to see how far apart they lie
SUFFIX: Final = "[bcdfghjklmnpqrstvwxz2456789]"  # the alphabet of names that Kubernetes makes up
# The owner of a pod: its name without the hash and suffix of a Deployment's, or the ordinal of a StatefulSet's pod.
OWNER_PATTERN: Final = f"(.+?)-(?:{SUFFIX}{{1,10}}-{SUFFIX}{{5}}|[0-9]+)"
_TARGET: Final = "namespace, pod, job"


def escape(value: str) -> str:
    """A label value inside double quotes of PromQL."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def names_of(indicator: Indicator, engine: Engine = Engine.AUTO) -> str:
    """The series that tell an indicator in an engine, or in any, for people."""
    return " or ".join(
        name for each, names in SERIES[indicator].items() if engine in (each, Engine.AUTO) for name in names
    )


@dataclass(frozen=True, slots=True)
class Queries:
    """The questions of one operator; `namespace` None: of all namespaces.

    Args:
        scrape_seconds: How often Prometheus scrapes the engines.
        namespace: The only namespace that is looked at.
        cycle_seconds: How often they are asked; windows are no shorter, so that all that arrives is counted once.
        owners: Only pods whose names say that these own them; empty: all.
    """

    scrape_seconds: float = 15.0
    namespace: str | None = None
    cycle_seconds: float = 0.0
    owners: tuple[str, ...] = ()

    def running(self) -> str:
        """Requests in the batch, by pod and the name of the model."""
        return _of_each(lambda engine: f"sum by ({_TARGET}, model_name) ({self._select(Indicator.RUNNING, engine)})")

    def waiting(self) -> str:
        """Requests in queue, by pod."""
        return _of_each(lambda engine: f"sum by ({_TARGET}) ({self._select(Indicator.WAITING, engine)})")

    def cache(self) -> str:
        """Share of the KV cache in use, by pod."""
        return _of_each(lambda engine: f"avg by ({_TARGET}) ({self._preferred(Indicator.CACHE, engine, '{}')})")

    def age_seconds(self) -> str:
        """Seconds since the last sample, by pod."""
        return _of_each(
            lambda engine: f"time() - max by ({_TARGET}) (timestamp({self._select(Indicator.RUNNING, engine)}))"
        )

    def rate(self, indicator: Indicator) -> str:
        """Increase per second of a counter, by pod."""
        return _of_each(lambda engine: f"sum by ({_TARGET}) ({self._rate(indicator, engine)})")

    def growth(self) -> str:
        """Change per second of requests waiting and running, by pod and `of`; and of "places" how many there were.

        So many of the places over which rates are averaged had samples, at most, in each namespace: after an outage the
        means are of less than the window.
        """
        return _of_each(lambda engine: f"sum by ({_TARGET}, of) ({self._growth(engine)}) or {self._places(engine)}")

    def tpot_mean(self) -> str:
        """Mean TPOT in seconds, by pod; NaN where nothing was generated."""
        ranged = f"increase({{}}[{_duration(self.window_seconds)}])"

        def mean(engine: Engine) -> str:
            total, count = (self._preferred(Indicator.TPOT, engine, ranged, suffix) for suffix in ("_sum", "_count"))
            return f"sum by (namespace, pod) ({total}) / sum by (namespace, pod) ({count})"

        return _of_each(mean)

    def buckets(self, indicator: Indicator, bounds: Iterable[str]) -> str:
        """What the last five minutes put into the buckets with these bounds, by pod and `le`."""
        choice = "|".join(_literal(bound) for bound in sorted(bounds))
        ranged = f"increase({{}}[{_duration(SHARE_SECONDS)}])"

        def chosen(engine: Engine) -> str:
            found = self._preferred(indicator, engine, ranged, "_bucket", f'le=~"{choice}"')
            return f"sum by (namespace, pod, le) ({found})"

        return _of_each(chosen)

    def bounds(self) -> str:
        """Which bounds the buckets of TTFT and TPOT have, by series name."""
        names = [name for i in (Indicator.TTFT, Indicator.TPOT) for group in SERIES[i].values() for name in group]
        return f"count by (__name__, le) ({self._selector(names, '_bucket')})"

    def spacings(self) -> str:
        """How many seconds lie between two samples of a job's pods, by job: the median of the last five minutes.

        A sample that came within the last second lies as far from the one before as its time differs from that which
        was the newest a second ago. What is scraped more often than once a second looks as if once a second. New pods
        (no sample before) and gaps (one of many) do not count.
        """

        def spacing(engine: Engine) -> str:
            selected = self._select(Indicator.RUNNING, engine)
            step = f"(timestamp({selected}) - timestamp({selected} offset 1s)) > 0"
            return f"quantile_over_time(0.5, ({step})[{_duration(SPACING_SECONDS)}:1s])"

        return f"quantile by (job) (0.5, {' or '.join(spacing(engine) for engine in ENGINES)})"

    def flows(self, step_seconds: float) -> str:
        """The five flows that demand is made of, of a step each, added by owner, told apart by `flow` and `engine`.

        This is what history is made of: pods that are long gone belong to the owner that their names tell. They are
        added up at each of several places within the step and averaged afterwards, places without any left out: so
        neither pods that came or went in between nor an outage distort the sum. Where samples lie too far apart for
        that (imported history), the last two within reach make the rate.
        """
        functions = {
            Indicator.FINISHED: ("irate", "finished"),
            Indicator.PROMPT_TOKENS: ("irate", "prompt_tokens"),
            Indicator.GENERATION_TOKENS: ("irate", "generation_tokens"),
            Indicator.WAITING: ("deriv", "waiting_growth"),
            Indicator.RUNNING: ("deriv", "running_growth"),
        }
        return _of_each(
            lambda engine: " or ".join(
                f'label_replace({self._past(function, indicator, engine, step_seconds)}, "flow", "{flow}", "", "")'
                for indicator, (function, flow) in functions.items()
            )
        )

    def _past(self, function: str, indicator: Indicator, engine: Engine, step_seconds: float) -> str:
        window = max(step_seconds, self.window_seconds)
        place = _duration(max(self.scrape_seconds, window / MAX_PLACES))
        selected, adjacent = self._select(indicator, engine), _duration(ADJACENT_SCRAPES * self.scrape_seconds)
        dense = _by_owner(f"{function}({selected}[{adjacent}])")
        apart = max(window, SPARSE_SECONDS)
        present = f"present_over_time({selected}[{_duration(apart)}])"
        sparse = _by_owner(f"{function}({selected}[{_duration(2.5 * apart)}]) and {present}")
        return f"(avg_over_time({dense}[{_duration(window)}:{place}]) or on (namespace, owner) {sparse})"

    @property
    def window_seconds(self) -> float:
        """What live rates are means of."""
        return max(WINDOW_SCRAPES * self.scrape_seconds, min(self.cycle_seconds, MINUTE_SECONDS))

    def _rate(self, indicator: Indicator, engine: Engine) -> str:
        adjacent, window = _duration(ADJACENT_SCRAPES * self.scrape_seconds), _duration(self.window_seconds)
        rate = f"irate({self._select(indicator, engine)}[{adjacent}])"
        return f"avg_over_time({rate}[{window}:{_duration(self.scrape_seconds)}])"

    def _places(self, engine: Engine) -> str:
        adjacent, window = _duration(ADJACENT_SCRAPES * self.scrape_seconds), _duration(self.window_seconds)
        rate = f"irate({self._select(Indicator.RUNNING, engine)}[{adjacent}])"
        counted = f"max by (namespace) (count_over_time({rate}[{window}:{_duration(self.scrape_seconds)}]))"
        return f'label_replace({counted}, "of", "places", "", "")'

    def _growth(self, engine: Engine) -> str:
        window = _duration(self.window_seconds)
        return " or ".join(
            f'label_replace(deriv({self._select(indicator, engine)}[{window}]), "of", "{indicator}", "", "")'
            for indicator in (Indicator.WAITING, Indicator.RUNNING)
        )

    def _select(self, indicator: Indicator, engine: Engine) -> str:
        return self._selector(SERIES[indicator][engine])

    def _preferred(self, indicator: Indicator, engine: Engine, form: str, suffix: str = "", matcher: str = "") -> str:
        """The first of an engine's series that a pod has; functions refuse two names with the same labels."""
        selected = (form.replace("{}", self._selector([name], suffix, matcher)) for name in SERIES[indicator][engine])
        return " or on (namespace, pod) ".join(selected)

    def _selector(self, names: Sequence[str], suffix: str = "", matcher: str = "") -> str:
        matchers = [f'__name__=~"{"|".join(name + suffix for name in names)}"']
        if self.namespace is not None:
            matchers.append(f'namespace="{escape(self.namespace)}"')
        if self.owners:
            matchers.append(f'pod=~"(?:{"|".join(_literal(owner) for owner in self.owners)})-.+"')
        if matcher:
            matchers.append(matcher)
        return "{" + ",".join(matchers) + "}"


def _of_each(question: Callable[[Engine], str]) -> str:
    """The same question of each engine's series."""
    return " or ".join(f'label_replace({question(engine)}, "engine", "{engine}", "", "")' for engine in ENGINES)


def _by_owner(expression: str) -> str:
    pods = f"max by (namespace, pod) (sum by ({_TARGET}) ({expression}))"
    return f'sum by (namespace, owner) (label_replace({pods}, "owner", "$1", "pod", "{OWNER_PATTERN}"))'


def _literal(text: str) -> str:
    """A regular expression that matches a bucket's bound and nothing else."""
    return escape(text.replace("+", "[+]").replace(".", "[.]"))


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
