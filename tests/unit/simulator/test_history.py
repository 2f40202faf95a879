from __future__ import annotations

import io
import re

import numpy as np
import pytest

from foresail.operator.observe.queries import OWNER_PATTERN
from foresail.simulator.history import HistorySettings, write_history
from foresail.simulator.metrics import Dialect
from foresail.simulator.trace import RateTrace

SETTINGS = HistorySettings(namespace="demo", workload="chat", model="llama", end=1_000_000.0)
SAMPLE = re.compile(r"(?P<name>[a-z_:]+)\{(?P<labels>[^}]*)\} (?P<value>\S+) (?P<time>\S+)")

Series = dict[tuple[str, str], list[tuple[float, float]]]


def make_past(rows: int = 300) -> RateTrace:
    rates = 12 + 6 * np.sin(np.arange(rows) / 20)
    same = np.ones(rows)
    return RateTrace(600.0, rates, 700 * same, 230 * same, 2 * same).faster(20)


def write(past: RateTrace, settings: HistorySettings = SETTINGS) -> tuple[Series, str]:
    out = io.StringIO()
    count = write_history(past, settings, out)
    series: Series = {}
    for line in out.getvalue().splitlines():
        if not line.startswith("#"):
            found = SAMPLE.fullmatch(line)
            assert found is not None, line
            series.setdefault((found["name"], found["labels"]), []).append(
                (float(found["time"]), float(found["value"]))
            )
    assert count == sum(map(len, series.values()))
    return series, out.getvalue()


def test_counters_only_grow_and_end_just_before_now() -> None:
    series, _ = write(make_past())
    for (name, _), samples in series.items():
        times, values = zip(*samples, strict=True)
        assert times[-1] == SETTINGS.end
        assert np.allclose(np.diff(times), 30.0)
        if name.endswith("_total"):
            assert (np.diff(values) >= 0).all()


def test_the_sum_over_the_pods_is_what_was_asked() -> None:
    past = make_past()
    series, _ = write(past)
    finished = sum(s[-1][1] - s[0][1] for (name, _), s in series.items() if name == "vllm:request_success_total")
    expected = past.requests_per_second[1:].sum() * past.step_seconds
    assert finished == pytest.approx(expected, rel=0.01)
    tokens = sum(s[-1][1] - s[0][1] for (name, _), s in series.items() if name == "vllm:prompt_tokens_total")
    assert tokens == pytest.approx(700 * expected, rel=0.01)


def test_the_noise_is_that_of_live_arrivals() -> None:
    past = make_past()
    series, _ = write(past)
    totals = np.sum([[v for _, v in s] for (n, _), s in series.items() if n == "vllm:request_success_total"], axis=0)
    mean = past.requests_per_second[1:] * past.step_seconds
    deviation = (np.diff(totals) - mean) / np.sqrt(mean)
    assert float(deviation.std()) == pytest.approx(2.0, rel=0.15)


def test_series_have_the_labels_of_the_live_scrape_and_names_of_a_deployments_pods() -> None:
    series, _ = write(make_past())
    labels = {labels for name, labels in series if name == "vllm:num_requests_running"}
    assert 2 <= len(labels) <= 10
    for text in labels:
        found = dict(re.findall(r'(\w+)="([^"]*)"', text))
        assert set(found) == {"job", "namespace", "pod", "model_name", "engine"}
        owner = re.fullmatch(OWNER_PATTERN, found["pod"])
        assert owner is not None
        assert owner[1] == "chat"


def test_families_are_declared_and_the_end_is_marked() -> None:
    _, text = write(make_past(5))
    assert "# TYPE vllm:request_success counter\n" in text
    assert "# TYPE vllm:kv_cache_usage_perc gauge\n" in text
    assert text.endswith("# EOF\n")


def test_older_and_other_engines_have_a_past_too() -> None:
    for dialect, name in ((Dialect.VLLM_OLD, "vllm:gpu_cache_usage_perc"), (Dialect.SGLANG, "sglang:token_usage")):
        settings = HistorySettings("demo", "chat", "llama", end=0.0, dialect=dialect)
        series, _ = write(make_past(5), settings)
        assert name in {name for name, _ in series}
