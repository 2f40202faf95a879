from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from foresail.domain.forecast import Forecast
from foresail.domain.memory import Memory
from foresail.domain.snapshot import FleetSnapshot, Unknown
from foresail.domain.timeseries import DEMAND_INDICATORS, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.serve import ForecastRequest, MixtureForecaster
from foresail.operator.forecaster import BATCH, FAILURES, REST, ForecasterClient
from foresail.operator.lookahead import LookAhead, doubt
from foresail.operator.wire import Question
from foresail.policies.cycle import run_cycle
from tests.builders import NOW, make_observation, make_snapshot, make_workload
from tests.fakes.forecaster import FakeForecaster, Fault
from tests.unit.operator.fakes import HandClock

KEY = WorkloadKey("prod", "chat")
DEADLINE_SECONDS = 10.0  # that only what is never answered meets, however loaded the machine is
SHORT_SECONDS = 0.2
WHOLE = {  # faults of the whole answer, and the reason that is said
    Fault.KILLED: "ForecasterUnreachable",
    Fault.SLOW: "ForecasterTimeout",
    Fault.FAILING: "ForecasterFailed",
    Fault.GARBAGE: "ForecasterMalformed",
    Fault.HUGE: "ForecasterMalformed",
}
WORKLOADS_OWN = {  # faults of one workload's forecast, and what of it is said
    Fault.EMPTY: "left this workload out",
    Fault.MISSING: "left this workload out",
    Fault.NAN: "NaN or infinite",
    Fault.INFINITE: "NaN or infinite",
    Fault.NEGATIVE: "below zero",
    Fault.SHORT: "the shape (50, 15, 3) instead of (S, 14, 3)",
    Fault.CUT: "not understood",
    Fault.INDICATORS: "its indicators",
    Fault.STEP: "its step_seconds is 30.0 instead of 15.0",
    Fault.ORIGIN: "its origin",
    Fault.TEXT: "not understood",
}


@pytest.fixture
def fake() -> Iterator[FakeForecaster]:
    with FakeForecaster() as forecaster:
        yield forecaster


def make_window(rows: int = 240) -> Window:
    rng = np.random.default_rng(0)
    values = 24.0 * rng.gamma(50.0, 1 / 50.0, (rows, 1)) * np.array([1.0, 1000.0, 250.0])
    observed = np.ones(values.shape, dtype=np.bool_)
    observed[3] = False
    return Window(DEMAND_INDICATORS, 15.0, NOW, values, observed)


def make_fleet(count: int = 1) -> FleetSnapshot:
    names = ["chat", *(f"chat-{number}" for number in range(1, count))]
    observations = [make_observation(make_workload(name), recent=make_window()) for name in names]
    return make_snapshot(*observations)


def make_client(url: str, clock: HandClock | None = None, fault: Fault = Fault.NONE) -> ForecasterClient:
    deadline_seconds = SHORT_SECONDS if fault is Fault.SLOW else DEADLINE_SECONDS
    return ForecasterClient(url, clock or HandClock(), deadline_seconds=deadline_seconds, max_bytes=2**22)


async def look(client: ForecasterClient | None, fleet: FleetSnapshot, told: Counter[str] | None = None) -> Any:
    counter = Counter[str]() if told is None else told
    stage = LookAhead(
        MixtureForecaster(), season_seconds=None, forecaster=client, on_fallback=lambda reason: counter.update([reason])
    )
    return await stage(fleet, Memory())


async def test_a_good_forecast_is_taken(fake: FakeForecaster) -> None:
    async with make_client(fake.url) as client:
        forecast = (await look(client, make_fleet()))[KEY]

    assert (forecast.source, forecast.fallback, forecast.calibrated) == ("flow", "", True)
    assert forecast.samples.shape == (50, 14, 3)
    assert forecast.samples[0, 0].tolist() == [20.0, 20_000.0, 5_000.0]


async def test_only_the_recent_past_is_sent_with_its_holes(fake: FakeForecaster) -> None:
    async with make_client(fake.url) as client:
        await look(client, make_fleet())

    (sent,) = fake.asked[0]["workloads"]
    values = np.frombuffer(base64.b64decode(sent.pop("values")), "<f8").reshape(-1, 3)
    assert np.isnan(values).all(axis=1).nonzero()[0].tolist() == [3]
    assert values[4].tolist() == make_window().values[4].tolist()
    assert sent == {
        "namespace": "prod",
        "name": "chat",
        "engine": "Auto",
        "targets": [{"name": "chat-h100", "role": "Unified"}],
        "indicators": list(DEMAND_INDICATORS),
        "end": NOW,
        "step_seconds": 15.0,
        "horizon_seconds": 210.0,
        "period_seconds": None,
    }


@pytest.mark.parametrize("fault", [*WHOLE, *WORKLOADS_OWN], ids=str)
async def test_whatever_is_wrong_the_embedded_forecast_takes_over_in_the_same_cycle(
    fake: FakeForecaster, fault: Fault
) -> None:
    fake.fault, fleet, told = fault, make_fleet(), Counter[str]()
    alone = (await look(None, fleet))[KEY]
    began = time.monotonic()
    async with make_client(fake.url, fault=fault) as client:
        forecast = (await look(client, fleet, told))[KEY]

    assert time.monotonic() - began < DEADLINE_SECONDS / 2
    assert forecast.samples.tobytes() == alone.samples.tobytes()
    assert forecast.source == alone.source
    assert told == {WHOLE.get(fault, "ForecastRefused"): 1}
    assert forecast.fallback in forecast.reason
    assert "the forecaster" in forecast.fallback
    assert WORKLOADS_OWN.get(fault, "") in forecast.fallback


@pytest.mark.parametrize("fault", [*WHOLE, *WORKLOADS_OWN], ids=str)
async def test_whatever_is_wrong_the_decision_is_that_without_a_forecaster(fake: FakeForecaster, fault: Fault) -> None:
    fake.fault, fleet = fault, make_fleet()
    alone = run_cycle(fleet, await look(None, fleet), Memory())
    async with make_client(fake.url, fault=fault) as client:
        decided = run_cycle(fleet, await look(client, fleet), Memory())

    assert decided.decisions[KEY].desired == alone.decisions[KEY].desired
    condition = next(entry for entry in decided.decisions[KEY].conditions if entry.type == "ForecastCalibrated")
    assert "It is the operator's own: the " in condition.message


@pytest.mark.parametrize("level", [0.0, 0.024, 24_000.0, 1e30])
async def test_a_forecast_that_cannot_be_moves_no_replica(fake: FakeForecaster, level: float) -> None:
    fake.level, fleet, told = level, make_fleet(), Counter[str]()
    alone = run_cycle(fleet, await look(None, fleet), Memory())
    async with make_client(fake.url) as client:
        forecasts = await look(client, fleet, told)

    assert told == {"ForecastRefused": 1}
    assert "its requests_per_second lies far from what" in forecasts[KEY].fallback
    assert run_cycle(fleet, forecasts, Memory()).decisions[KEY].desired == alone.decisions[KEY].desired


@pytest.mark.parametrize(("odd", "level"), [(0.0, 0.0), (60.0, 100.0)])
def test_one_odd_path_of_the_mixture_makes_no_other_forecast_likely(odd: float, level: float) -> None:
    samples = np.full((200, 4, 3), 5.0)
    samples[0] = odd
    embedded = Forecast(DEMAND_INDICATORS, NOW, 15.0, samples, "mixture", "")
    asked = replace(embedded, samples=np.full((200, 4, 3), level), source="flow")

    assert isinstance(doubt(asked, embedded), Unknown)


async def test_nobody_there_is_told_at_once() -> None:
    async with make_client("http://127.0.0.1:1") as client:
        forecast = (await look(client, make_fleet()))[KEY]

    assert "cannot be reached" in forecast.fallback


async def test_a_past_too_short_for_the_mixture_is_too_short_for_anybody(fake: FakeForecaster) -> None:
    window = replace(make_window(), observed=np.zeros((240, 3), dtype=np.bool_))
    fleet = make_snapshot(make_observation(recent=window))
    async with make_client(fake.url) as client:
        assert isinstance((await look(client, fleet))[KEY], Unknown)


async def test_without_a_past_nobody_is_asked(fake: FakeForecaster) -> None:
    async with make_client(fake.url) as client:
        forecast = (await look(client, make_snapshot(make_observation(recent=None))))[KEY]

    assert forecast.message == "no past demand is known to forecast from"
    assert fake.asked == []


async def test_what_failed_several_times_is_left_alone_for_longer_each_time(fake: FakeForecaster) -> None:
    fake.fault, clock, fleet, told = Fault.FAILING, HandClock(), make_fleet(), Counter[str]()
    async with make_client(fake.url, clock) as client:
        for _ in range(FAILURES + 2):
            await look(client, fleet, told)
        assert told == {"ForecasterFailed": FAILURES, "ForecasterResting": 2}

        clock.advance(DEADLINE_SECONDS * REST[0])
        await look(client, fleet, told)  # one attempt, and twice the rest
        clock.advance(DEADLINE_SECONDS * REST[0])
        await look(client, fleet, told)
        assert told == {"ForecasterFailed": FAILURES + 1, "ForecasterResting": 3}

        fake.fault = Fault.NONE
        clock.advance(DEADLINE_SECONDS * REST[0])
        assert (await look(client, fleet, told))[KEY].source == "flow"
        fake.fault = Fault.FAILING
        await look(client, fleet, told)
        assert told["ForecasterFailed"] == FAILURES + 2


async def test_what_is_not_trained_is_asked_for_again_after_a_while_only(fake: FakeForecaster) -> None:
    fake.fault, fake.again_seconds, clock, fleet = Fault.NOT_SERVED, 60.0, HandClock(), make_fleet()
    async with make_client(fake.url, clock) as client:
        told = Counter[str]()
        for _ in range(3):
            forecast = (await look(client, fleet, told))[KEY]
        assert "it is not trained yet" in forecast.fallback
        assert told == {"ForecastNotServed": 3}
        assert len(fake.asked) == 1

        fake.fault = Fault.NONE
        clock.advance(60.0)
        assert (await look(client, fleet))[KEY].source == "flow"


def make_questions(count: int) -> dict[WorkloadKey, Question]:
    request = ForecastRequest(make_window(), None, 210.0)
    return {key: Question(each.workload, request) for key, each in make_fleet(count).workloads.items()}


async def test_a_fleet_is_asked_for_in_batches(fake: FakeForecaster) -> None:
    questions = make_questions(2 * BATCH + 1)
    async with make_client(fake.url) as client:
        answers = await client.ask(questions)

    assert [len(body["workloads"]) for body in fake.asked] == [BATCH, BATCH, 1]
    assert answers.keys() == questions.keys()
    assert all(isinstance(answer, Forecast) for answer in answers.values())


async def test_what_was_answered_in_time_counts_and_is_no_reason_to_leave_it_alone(fake: FakeForecaster) -> None:
    fake.slow_after = 1
    questions = make_questions(BATCH + 2)
    async with ForecasterClient(fake.url, HandClock(), deadline_seconds=1.0) as client:
        answers = list((await client.ask(questions)).values())
        assert client._failures == 0

    assert sum(isinstance(answer, Forecast) for answer in answers) == BATCH
    late = [answer for answer in answers if isinstance(answer, Unknown)]
    assert [answer.reason for answer in late] == ["ForecasterTimeout"] * 2


async def test_one_workload_that_is_refused_leaves_the_others_their_forecasts(fake: FakeForecaster) -> None:
    fleet = make_fleet(2)
    other = replace(make_window(), indicators=tuple(reversed(DEMAND_INDICATORS)))
    questions = {
        key: Question(each.workload, ForecastRequest(make_window() if key == KEY else other, None, 210.0))
        for key, each in fleet.workloads.items()
    }
    fake.level = 7.0
    async with make_client(fake.url) as client:
        answers = await client.ask(questions)

    assert all(isinstance(answer, Forecast) for answer in answers.values())
    assert {answer.indicators[0] for answer in answers.values() if isinstance(answer, Forecast)} == {
        DEMAND_INDICATORS[0],
        DEMAND_INDICATORS[-1],
    }
