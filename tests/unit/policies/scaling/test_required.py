from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foresail.domain.forecast import Forecast
from foresail.domain.memory import CapacityBelief
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import REQUESTS
from foresail.policies.scaling.required import Needs, Reach, check_forecast, needs_of_demand, needs_of_forecast
from tests.builders import NOW, make_demand, make_forecast

# One replica sustains 6 requests of 1,000 input and 250 output tokens per second, known for certain.
CERTAIN = CapacityBelief(0.0, 0.0, 0, 1 / 6 / 1750, 3 / 6 / 1750, "6 rps at 1000/250")


def needs_of(forecast: Forecast, *beliefs: CapacityBelief, lead: float = 120.0, factor: float = 1.0) -> Needs:
    return needs_of_forecast(
        forecast,
        beliefs or (CERTAIN,),
        make_demand(24),
        reach=Reach(NOW, lead, 15.0),
        factor=factor,
    )


def test_demand_is_counted_in_work() -> None:
    needs = needs_of(make_forecast(54))
    assert needs.ahead == pytest.approx(np.full((1, 200), 9.0))  # 54 rps / 6 rps per replica
    assert needs.now == pytest.approx([4.0])


def test_a_drifting_token_mix_changes_the_need_at_the_same_rate() -> None:
    long = make_forecast(24, input_tokens=100, output_tokens=550)
    # An output token weighs as three input tokens: 1,750 per request at the ordinary mix and at this one.
    assert needs_of(long).ahead.mean() == pytest.approx(4.0)
    assert needs_of(make_forecast(24, input_tokens=4000, output_tokens=250)).ahead.mean() == pytest.approx(
        4 * 4750 / 1750
    )


def test_the_peak_between_lead_time_and_one_decision_later_counts() -> None:
    rates = [12.0] * 40
    rates[7] = 60.0  # at now + 120 s, when a replica started now is ready
    assert needs_of(make_forecast(rates)).ahead.max() == pytest.approx(10)
    rates[7], rates[3] = 12.0, 60.0  # at now + 60 s, which no decision of now can change
    needs = needs_of(make_forecast(rates))
    assert needs.ahead.max() == pytest.approx(2)
    assert needs.until.max() == pytest.approx(10)


def test_the_peak_is_taken_path_by_path() -> None:
    forecast = make_forecast(24, samples=2, steps=12)
    samples = forecast.samples.copy()
    samples[0, 7], samples[1, 8] = samples[0, 7] * 2, samples[1, 8] * 3
    assert needs_of(replace(forecast, samples=samples)).ahead == pytest.approx(np.array([[8.0, 12.0]]))


def test_an_older_forecast_is_read_at_the_same_instants() -> None:
    rates = [12.0] * 40
    rates[7 + 4] = 60.0  # made a minute ago, so now + 120 s is four steps further
    assert needs_of(make_forecast(rates, origin=NOW - 60)).ahead.max() == pytest.approx(10)


def test_feedback_multiplies_the_need() -> None:
    assert needs_of(make_forecast(24), factor=1.25).ahead.mean() == pytest.approx(5)


def test_what_is_not_known_about_capacity_thickens_the_tail() -> None:
    unsure = replace(CERTAIN, log_variance=0.04)
    needs = needs_of(make_forecast(24), CERTAIN, unsure)
    assert needs.ahead[0].std() == pytest.approx(0, abs=1e-9)
    assert np.median(needs.ahead[1]) == pytest.approx(4, rel=0.01)
    assert np.quantile(needs.ahead[1], 0.975) == pytest.approx(4 * np.exp(0.2 * 1.96), rel=0.03)


def test_negative_samples_are_no_work() -> None:
    forecast = make_forecast(24)
    assert needs_of(replace(forecast, samples=-forecast.samples)).ahead.max() == 0


def test_the_demand_of_now_may_add_and_never_take() -> None:
    needs = needs_of_demand([CERTAIN], make_demand(33), factor=1.0)
    assert needs.ahead == pytest.approx(np.array([[5.5]]))
    assert not needs.may_lower


@pytest.mark.parametrize(
    ("forecast", "what"),
    [
        (replace(make_forecast(), samples=np.full((2, 3, 3), np.nan)), "not finite"),
        (replace(make_forecast(steps=2), origin=NOW - 600), "looked less far"),
        (replace(make_forecast(), indicators=(REQUESTS,), samples=np.ones((2, 3, 1))), "lacks requests or tokens"),
    ],
)
def test_a_forecast_that_no_number_may_rest_on_is_unknown(forecast: Forecast, what: str) -> None:
    checked = check_forecast(forecast, NOW)
    assert isinstance(checked, Unknown)
    assert what in checked.message
