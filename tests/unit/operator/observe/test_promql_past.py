"""The questions of the past, asked of a real Prometheus: owners, outages, rollouts, samples far apart."""

from __future__ import annotations

import numpy as np
import pytest

from foresail.operator.observe.answers import Matrix
from foresail.operator.observe.prometheus import PrometheusClient
from tests.unit.operator.observe.recorded import (
    ORIGIN,
    QUERIES,
    rows_of,
)

pytestmark = pytest.mark.cluster


async def test_history_tells_the_engines_apart(client: PrometheusClient) -> None:
    end = ORIGIN + 900.0
    answer = await client.query_range(QUERIES.flows(60.0), start=end - 300.0, end=end, step_seconds=60.0)
    assert isinstance(answer, Matrix), answer
    found = {
        labels["engine"]: values
        for labels, values in zip(answer.labels, answer.values, strict=True)
        if (labels["owner"], labels["flow"]) == ("both", "finished")
    }
    assert found.keys() == {"vLLM", "SGLang"}
    np.testing.assert_allclose(found["vLLM"], 4.0)
    np.testing.assert_allclose(found["SGLang"], 3.0)


async def test_history_adds_up_pods_by_owner_and_keeps_an_outage_open(client: PrometheusClient) -> None:
    start, end = ORIGIN + 300.0, ORIGIN + 1200.0
    answer = await client.query_range(QUERIES.flows(60.0), start=start, end=end, step_seconds=60.0)
    assert isinstance(answer, Matrix), answer
    rows = rows_of(answer)
    np.testing.assert_allclose(rows["steady", "finished"], 6.0)
    np.testing.assert_allclose(rows["double", "finished"], 4.0)
    np.testing.assert_allclose(rows["busy", "waiting_growth"], 3.0)
    outage = rows["outage", "finished"]
    assert np.isnan(outage[7])  # (720 - 300) / 60: in the middle of it
    np.testing.assert_allclose(outage[np.isfinite(outage)], 55.0)


async def test_coarse_history_is_right_across_an_outage(client: PrometheusClient) -> None:
    answer = await client.query_range(
        QUERIES.flows(300.0), start=ORIGIN + 300.0, end=ORIGIN + 1200.0, step_seconds=300.0
    )
    assert isinstance(answer, Matrix), answer
    rows = rows_of(answer)
    np.testing.assert_allclose(rows["outage", "finished"], 55.0)
    np.testing.assert_allclose(rows["steady", "prompt_tokens"], 6000.0)


async def test_a_rollout_within_a_step_of_the_past_does_not_count_double(client: PrometheusClient) -> None:
    start, end = ORIGIN + 900.0, ORIGIN + 1200.0
    answer = await client.query_range(QUERIES.flows(300.0), start=start, end=end, step_seconds=300.0)
    assert isinstance(answer, Matrix), answer
    rolled = rows_of(answer)["rolled", "finished"]
    # 4 rps before and after; both pods served for half a minute of five.
    np.testing.assert_allclose(rolled, [4.0, 4.0], atol=0.9)


@pytest.mark.parametrize("step", [15.0, 30.0, 60.0, 300.0])
async def test_imported_samples_far_apart_make_a_history_without_holes(client: PrometheusClient, step: float) -> None:
    start, end = ORIGIN + 300.0, ORIGIN + 1200.0
    answer = await client.query_range(QUERIES.flows(step), start=start, end=end, step_seconds=step)
    assert isinstance(answer, Matrix), answer
    rows = rows_of(answer)
    np.testing.assert_allclose(rows["imported", "finished"], 4.0)
    np.testing.assert_allclose(rows["imported", "waiting_growth"], 0.0, atol=1e-9)
    np.testing.assert_allclose(rows["steady", "finished"], 6.0)
