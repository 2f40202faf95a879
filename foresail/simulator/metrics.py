"""What a simulated server exposes, in the text format of Prometheus, under the real engines' own names.

Three dialects: vLLM today; older vLLM (no label `engine`, `gpu_cache_usage_perc`, TPOT per token under
`time_per_output_token_seconds`); SGLang, whose latencies are given in vLLM's buckets here, not in its own. Names come
from vllm/v1/metrics/loggers.py and sglang/srt/metrics/collector.py. A simulated server has no abort, no preemption, no
prefix cache; what it cannot have is left out, except for counters that the real one shows at zero and people sum over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from foresail.simulator.engine import Engine
from foresail.simulator.tally import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FINISHED_REASONS: Final = ("stop", "length", "abort", "error")
BLOCK_TOKENS: Final = 16

Labels = Mapping[str, str]


class Dialect(StrEnum):
    """Whose names are spoken."""

    VLLM = "vllm"
    VLLM_OLD = "vllm-old"
    SGLANG = "sglang"


@dataclass(frozen=True, slots=True)
class Names:
    """The series of a dialect; None: it has none of the kind."""

    running: str
    waiting: str
    cache: str
    finished: str
    finished_reasons: tuple[str, ...]
    prompt_tokens: str
    generation_tokens: str
    ttft: str
    itl: str
    tpot: str | None
    end_to_end: str
    cache_config: str | None


NAMES: Final[Mapping[Dialect, Names]] = {
    Dialect.VLLM: Names(
        running="vllm:num_requests_running",
        waiting="vllm:num_requests_waiting",
        cache="vllm:kv_cache_usage_perc",
        finished="vllm:request_success_total",
        finished_reasons=FINISHED_REASONS,
        prompt_tokens="vllm:prompt_tokens_total",
        generation_tokens="vllm:generation_tokens_total",
        ttft="vllm:time_to_first_token_seconds",
        itl="vllm:inter_token_latency_seconds",
        tpot="vllm:request_time_per_output_token_seconds",
        end_to_end="vllm:e2e_request_latency_seconds",
        cache_config="vllm:cache_config_info",
    ),
    Dialect.VLLM_OLD: Names(
        running="vllm:num_requests_running",
        waiting="vllm:num_requests_waiting",
        cache="vllm:gpu_cache_usage_perc",
        finished="vllm:request_success_total",
        finished_reasons=FINISHED_REASONS[:3],
        prompt_tokens="vllm:prompt_tokens_total",
        generation_tokens="vllm:generation_tokens_total",
        ttft="vllm:time_to_first_token_seconds",
        itl="vllm:time_per_output_token_seconds",
        tpot=None,
        end_to_end="vllm:e2e_request_latency_seconds",
        cache_config="vllm:cache_config_info",
    ),
    Dialect.SGLANG: Names(
        running="sglang:num_running_reqs",
        waiting="sglang:num_queue_reqs",
        cache="sglang:token_usage",
        finished="sglang:num_requests_total",
        finished_reasons=(),
        prompt_tokens="sglang:prompt_tokens_total",
        generation_tokens="sglang:generation_tokens_total",
        ttft="sglang:time_to_first_token_seconds",
        itl="sglang:inter_token_latency_seconds",
        tpot=None,
        end_to_end="sglang:e2e_request_latency_seconds",
        cache_config=None,
    ),
}


def expose(engine: Engine, *, model: str, dialect: Dialect = Dialect.VLLM) -> str:
    """The metrics page of one server."""
    return "\n".join(_lines(engine, NAMES[dialect], labels_of(model, dialect))) + "\n"


def labels_of(model: str, dialect: Dialect) -> dict[str, str]:
    """The labels that the engine itself gives every series."""
    return {"model_name": model} | ({"engine": "0"} if dialect is Dialect.VLLM else {})


def write_labels(labels: Labels) -> str:
    """Labels in braces, values escaped."""

    def escape(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels.items()) + "}"


def _lines(engine: Engine, names: Names, labels: Labels) -> Iterator[str]:
    tally, own = engine.tally, write_labels(labels)
    yield from _single(names.running, "gauge", "Number of requests in model execution batches.", own, engine.running)
    yield from _single(names.waiting, "gauge", "Number of requests waiting to be processed.", own, engine.queued)
    yield from _single(names.cache, "gauge", "KV-cache usage. 1 means 100 percent usage.", own, engine.kv_usage)
    yield from _finished(names, labels, tally.finished)
    yield from _single(names.prompt_tokens, "counter", "Number of prefill tokens processed.", own, tally.prompt_tokens)
    yield from _single(
        names.generation_tokens, "counter", "Number of generation tokens processed.", own, tally.generation_tokens
    )
    yield from _histogram(names.ttft, "Histogram of time to first token in seconds.", labels, tally.ttft)
    yield from _histogram(names.itl, "Histogram of inter-token latency in seconds.", labels, tally.itl)
    if names.tpot is not None:
        yield from _histogram(names.tpot, "Histogram of time_per_output_token_seconds per request.", labels, tally.tpot)
    yield from _histogram(names.end_to_end, "Histogram of e2e request latency in seconds.", labels, tally.end_to_end)
    if names.cache_config is not None:
        blocks = {"block_size": str(BLOCK_TOKENS), "num_gpu_blocks": str(engine.settings.kv_tokens // BLOCK_TOKENS)}
        config = write_labels({**{name: labels[name] for name in labels if name == "engine"}, **blocks})
        yield from _single(names.cache_config, "gauge", "Information of the LLMEngine CacheConfig", config, 1)


def _single(name: str, kind: str, text: str, labels: str, value: float) -> Iterator[str]:
    yield from _header(name, kind, text)
    yield f"{name}{labels} {_number(value)}"


def _finished(names: Names, labels: Labels, count: int) -> Iterator[str]:
    yield from _header(names.finished, "counter", "Count of successfully processed requests.")
    if not names.finished_reasons:
        yield f"{names.finished}{write_labels(labels)} {_number(count)}"
    for reason in names.finished_reasons:
        value = count if reason == FINISHED_REASONS[0] else 0
        yield f"{names.finished}{write_labels({**labels, 'finished_reason': reason})} {_number(value)}"


def _histogram(name: str, text: str, labels: Labels, histogram: Histogram) -> Iterator[str]:
    yield from _header(name, "histogram", text)
    bounds: Sequence[str] = [*map(_number, histogram.bounds), "+Inf"]
    counts = histogram.cumulative()
    for bound, count in zip(bounds, counts, strict=True):
        yield f"{name}_bucket{write_labels({**labels, 'le': bound})} {_number(count)}"
    own = write_labels(labels)
    yield f"{name}_count{own} {_number(counts[-1])}"
    yield f"{name}_sum{own} {_number(histogram.total)}"


def _header(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _number(value: float) -> str:
    return repr(float(value))
