from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from foresail.simulator.engine import Engine, EngineSettings, Request
from foresail.simulator.metrics import Dialect, expose

MODEL = 'meta/"Llama"'


@pytest.fixture
def engine() -> Engine:
    engine = Engine(EngineSettings())
    for number in range(20):
        engine.submit(Request(number * 0.01, 200, 1 if number == 0 else 50))
    engine.advance(3.0)
    engine.submit(Request(3.0, 5000, 50))
    engine.advance(3.1)
    return engine


def read(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Samples by name and labels, as Prometheus' own parser reads them."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(page: str, name: str, **labels: str) -> float:
    """The only sample of a name with at least these labels."""
    [found] = [v for (n, own), v in read(page).items() if n == name and frozenset(labels.items()) <= own]
    return found


def test_todays_vllm_speaks_its_own_names_and_labels(engine: Engine) -> None:
    page = expose(engine, model=MODEL)
    names = {name for name, _ in read(page)}
    assert {
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:kv_cache_usage_perc",
        "vllm:request_success_total",
        "vllm:prompt_tokens_total",
        "vllm:generation_tokens_total",
        "vllm:time_to_first_token_seconds_bucket",
        "vllm:inter_token_latency_seconds_sum",
        "vllm:request_time_per_output_token_seconds_count",
        "vllm:e2e_request_latency_seconds_count",
        "vllm:cache_config_info",
    } <= names
    own = {"model_name": MODEL, "engine": "0"}
    assert value(page, "vllm:num_requests_running", **own) == 1
    assert value(page, "vllm:request_success_total", finished_reason="stop", **own) == 20
    assert value(page, "vllm:request_success_total", finished_reason="abort", **own) == 0
    assert value(page, "vllm:prompt_tokens_total", **own) == 20 * 200
    assert value(page, "vllm:generation_tokens_total", **own) == 19 * 50 + 1
    assert value(page, "vllm:cache_config_info", block_size="16", num_gpu_blocks="7500") == 1


def test_older_vllm_has_the_older_names_and_no_engine_label(engine: Engine) -> None:
    page = expose(engine, model=MODEL, dialect=Dialect.VLLM_OLD)
    names = {name for name, _ in read(page)}
    assert "vllm:gpu_cache_usage_perc" in names
    assert "vllm:time_per_output_token_seconds_bucket" in names
    assert not any("kv_cache_usage" in name or "inter_token" in name for name in names)
    assert "engine=" not in page


def test_sglang_has_its_names(engine: Engine) -> None:
    page = expose(engine, model=MODEL, dialect=Dialect.SGLANG)
    assert value(page, "sglang:num_running_reqs") == 1
    assert value(page, "sglang:num_requests_total") == 20
    assert value(page, "sglang:inter_token_latency_seconds_count") == 19 * 49
    assert "vllm:" not in page


def test_histograms_are_cumulative_and_complete(engine: Engine) -> None:
    samples = read(expose(engine, model=MODEL))
    buckets = sorted(
        (math.inf if (le := dict(labels)["le"]) == "+Inf" else float(le), count)
        for (name, labels), count in samples.items()
        if name == "vllm:time_to_first_token_seconds_bucket"
    )
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    assert counts[-1] == value(expose(engine, model=MODEL), "vllm:time_to_first_token_seconds_count") == 20
    assert len(buckets) == 23  # vLLM's 22 bounds and infinity


def test_tpot_counts_requests_and_itl_counts_tokens(engine: Engine) -> None:
    page = expose(engine, model=MODEL)
    assert value(page, "vllm:request_time_per_output_token_seconds_count") == 19  # one had a single token
    assert value(page, "vllm:inter_token_latency_seconds_count") == 19 * 49
