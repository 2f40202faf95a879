"""Every question to Prometheus, as data: which series tell an indicator in which engine, and how it is asked for.

The number of questions is constant: each covers the fleet, and both old and new names of vLLM's series and SGLang's.

Rates must be right when scrapes were missed, when a pod is new and when a counter starts again. `rate(m[1m])` is not:
after an outage it divides what the last seconds brought by a minute. So the rate is taken between the last two samples
(`irate`), wherever in the window there are two close ones, and averaged over those places:
`avg_over_time(irate(m[3 scrapes])[4 scrapes:scrape])`. A first sample is no increase. The growth of a queue is the
slope of its samples (`deriv`), which does not look beyond the window as a difference with `offset` would.

A pod scraped by two jobs has every series twice: what is asked for stays apart by job, and the reader takes the larger
one. In the history, where series are added over pods, the query itself does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

WINDOW_SCRAPES: Final = 4
ADJACENT_SCRAPES: Final = 3  # two samples so close make a rate: one scrape may be missed
MAX_PLACES: Final = 10  # at which a step of the past is looked at
SPARSE_SECONDS: Final = 60.0  # imported samples lie as far apart, or as a step of the past
SHARE_SECONDS: Final = 300.0  # attainment is of the last five minutes
SUFFIX: Final = "[bcdfghjklmnpqrstvwxz2456789]"  # the alphabet of names that Kubernetes makes up
# The owner of a pod: its name without the hash and suffix of a Deployment's, or the ordinal of a StatefulSet's pod.
OWNER_PATTERN: Final = f"(.+?)-(?:{SUFFIX}{{1,10}}-{SUFFIX}{{5}}|[0-9]+)"
_TARGET: Final = "namespace, pod, job"


def escape(value: str) -> str:
    """A label value inside double quotes of PromQL."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def names_of(indicator: Indicator) -> str:
    """The series that tell an indicator, for people."""
    return " or ".join(name for names in SERIES[indicator].values() for name in names)


@dataclass(frozen=True, slots=True)
class Queries:
    """The questions of one operator; `namespace` None: of all namespaces.

    Args:
        scrape_seconds: How often Prometheus scrapes the engines.
        namespace: The only namespace that is looked at.
    """

    scrape_seconds: float = 15.0
    namespace: str | None = None

    def running(self) -> str:
        """Requests in the batch, by pod and the name of the model."""
        return f"sum by ({_TARGET}, model_name) ({self._select(Indicator.RUNNING)})"

    def waiting(self) -> str:
        """Requests in queue, by pod."""
        return f"sum by ({_TARGET}) ({self._select(Indicator.WAITING)})"

    def cache(self) -> str:
        """Share of the KV cache in use, by pod."""
        return f"avg by ({_TARGET}) ({self._preferred(Indicator.CACHE, '{}')})"

    def age_seconds(self) -> str:
        """Seconds since the last sample, by pod."""
        return f"time() - max by ({_TARGET}) (timestamp({self._select(Indicator.RUNNING)}))"

    def rate(self, indicator: Indicator) -> str:
        """Increase per second of a counter, by pod."""
        return f"sum by ({_TARGET}) ({self._rate(indicator)})"

    def growth(self) -> str:
        """Change per second of requests waiting and running, by pod and `of`."""
        return f"sum by ({_TARGET}, of) ({self._growth()})"

    def tpot_mean(self) -> str:
        """Mean TPOT in seconds, by pod; NaN where nothing was generated."""
        window = _duration(self.window_seconds)
        total = self._preferred(Indicator.TPOT, f"increase({{}}[{window}])", "_sum")
        count = self._preferred(Indicator.TPOT, f"increase({{}}[{window}])", "_count")
        return f"sum by (namespace, pod) ({total}) / sum by (namespace, pod) ({count})"

    def buckets(self, indicator: Indicator, bounds: Iterable[str]) -> str:
        """What the last five minutes put into the buckets with these bounds, by pod and `le`."""
        choice = "|".join(_literal(bound) for bound in sorted(bounds))
        ranged = f"increase({{}}[{_duration(SHARE_SECONDS)}])"
        chosen = self._preferred(indicator, ranged, "_bucket", f'le=~"{choice}"')
        return f"sum by (namespace, pod, le) ({chosen})"

    def bounds(self) -> str:
        """Which bounds the buckets of TTFT and TPOT have, by series name."""
        names = [name for i in (Indicator.TTFT, Indicator.TPOT) for group in SERIES[i].values() for name in group]
        return f"count by (__name__, le) ({self._selector(names, '_bucket')})"

    def flows(self, step_seconds: float) -> str:
        """The five flows that demand is made of, of a step each, added by owner, told apart by `flow`.

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
        return " or ".join(
            f'label_replace({self._past(function, indicator, step_seconds)}, "flow", "{flow}", "", "")'
            for indicator, (function, flow) in functions.items()
        )

    def _past(self, function: str, indicator: Indicator, step_seconds: float) -> str:
        window = max(step_seconds, self.window_seconds)
        place = _duration(max(self.scrape_seconds, window / MAX_PLACES))
        selected, adjacent = self._select(indicator), _duration(ADJACENT_SCRAPES * self.scrape_seconds)
        dense = _by_owner(f"{function}({selected}[{adjacent}])")
        apart = max(window, SPARSE_SECONDS)
        present = f"present_over_time({selected}[{_duration(apart)}])"
        sparse = _by_owner(f"{function}({selected}[{_duration(2.5 * apart)}]) and {present}")
        return f"(avg_over_time({dense}[{_duration(window)}:{place}]) or on (namespace, owner) {sparse})"

    @property
    def window_seconds(self) -> float:
        """What live rates are means of."""
        return WINDOW_SCRAPES * self.scrape_seconds

    def _rate(self, indicator: Indicator) -> str:
        adjacent, window = _duration(ADJACENT_SCRAPES * self.scrape_seconds), _duration(self.window_seconds)
        return f"avg_over_time(irate({self._select(indicator)}[{adjacent}])[{window}:{_duration(self.scrape_seconds)}])"

    def _growth(self) -> str:
        window = _duration(self.window_seconds)
        return " or ".join(
            f'label_replace(deriv({self._select(indicator)}[{window}]), "of", "{indicator}", "", "")'
            for indicator in (Indicator.WAITING, Indicator.RUNNING)
        )

    def _select(self, indicator: Indicator) -> str:
        return self._selector([name for names in SERIES[indicator].values() for name in names])

    def _preferred(self, indicator: Indicator, form: str, suffix: str = "", matcher: str = "") -> str:
        """The first of an engine's series that a pod has; functions refuse two names with the same labels."""
        groups = list(SERIES[indicator].values())
        ranks = [[names[rank] for names in groups if rank < len(names)] for rank in range(max(map(len, groups)))]
        selected = (form.replace("{}", self._selector(names, suffix, matcher)) for names in ranks)
        return " or on (namespace, pod) ".join(selected)

    def _selector(self, names: Sequence[str], suffix: str = "", matcher: str = "") -> str:
        matchers = [f'__name__=~"{"|".join(name + suffix for name in names)}"']
        if self.namespace is not None:
            matchers.append(f'namespace="{escape(self.namespace)}"')
        if matcher:
            matchers.append(matcher)
        return "{" + ",".join(matchers) + "}"


def _by_owner(expression: str) -> str:
    pods = f"max by (namespace, pod) (sum by ({_TARGET}) ({expression}))"
    return f'sum by (namespace, owner) (label_replace({pods}, "owner", "$1", "pod", "{OWNER_PATTERN}"))'


def _literal(text: str) -> str:
    """A regular expression that matches a bucket's bound and nothing else."""
    return escape(text.replace("+", "[+]").replace(".", "[.]"))


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
