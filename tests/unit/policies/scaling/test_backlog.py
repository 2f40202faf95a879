from __future__ import annotations

import pytest

from foresail.domain.snapshot import Known, Unknown
from foresail.policies.scaling.backlog import LEAST_DRAIN_SECONDS, NOTHING, backlog_of
from foresail.policies.scaling.decide import decide
from foresail.policies.scaling.prices import Prices
from tests.builders import make_demand, make_forecast, make_observation, make_window
from tests.unit.policies.cases import make_case


def test_what_waits_is_to_be_served_within_a_lead_time() -> None:
    observation = make_observation(demand=24.0, waiting=Known(240.0))
    mix = make_demand(1.0)
    queued = backlog_of(observation, lead_time_seconds=120.0)
    assert queued.requests_per_second == pytest.approx(2.0)
    assert queued.input_tokens_per_second == pytest.approx(2 * mix.input_tokens_per_second)
    assert queued.output_tokens_per_second == pytest.approx(2 * mix.output_tokens_per_second)


def test_a_start_of_seconds_does_not_make_a_queue_urgent() -> None:
    observation = make_observation(demand=24.0, waiting=Known(LEAST_DRAIN_SECONDS))
    assert backlog_of(observation, lead_time_seconds=1.0).requests_per_second == pytest.approx(1.0)


@pytest.mark.parametrize("waiting", [Known(0.0), Known(float("nan")), Unknown("NoSeries", "")])
def test_an_empty_or_unknown_queue_adds_nothing(waiting: Known | Unknown) -> None:
    assert backlog_of(make_observation(waiting=waiting), lead_time_seconds=120.0) == NOTHING


def test_a_queue_without_arrivals_has_the_mix_of_the_past() -> None:
    stuck = make_observation(demand=0.0, waiting=Known(120.0), recent=make_window([10.0, 12.0]))
    queued = backlog_of(stuck, lead_time_seconds=120.0)
    assert queued.input_tokens_per_second == pytest.approx(make_demand(1.0).input_tokens_per_second)
    nobody_knows = make_observation(demand=Unknown("NoSeries", ""), waiting=Known(120.0))
    assert backlog_of(nobody_knows, lead_time_seconds=120.0) == NOTHING


@pytest.mark.parametrize("forecast", [None, Unknown("ForecastUnknown", "it was not made")])
def test_a_queue_that_stands_while_capacity_equals_arrivals_is_served(forecast: Unknown | None) -> None:
    def desired(waiting: float) -> int:
        # With a lead time of 180 s, 1,080 waiting requests are the work of one more replica of 6 rps.
        observation = make_observation(demand=24.0, replicas=5, waiting=Known(waiting))
        case = make_case(observation, forecast=make_forecast(24.0, spread=0.05) if forecast is None else forecast)
        return decide(case, Prices()).decision.desired

    assert desired(0.0) <= 5
    assert desired(6480.0) >= desired(0.0) + 4


def test_nothing_is_taken_away_while_a_queue_stands() -> None:
    def desired(waiting: float) -> int:
        observation = make_observation(demand=6.0, replicas=5, waiting=Known(waiting))
        return decide(make_case(observation, forecast=make_forecast(6.0, spread=0.05)), Prices()).decision.desired

    assert desired(0.0) < 5 <= desired(4320.0)


def test_the_sentence_tells_of_a_queue_that_matters() -> None:
    def sentence(waiting: float) -> str:
        observation = make_observation(demand=24.0, replicas=5, waiting=Known(waiting))
        return decide(make_case(observation, forecast=make_forecast(24.0)), Prices()).decision.message

    assert "and 3240 requests wait" in sentence(3240.0)
    assert "wait" not in sentence(12.0)
