from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.forecasting import served
from benchmarks.forecasting.replicas import (
    FLEET,
    INDEPENDENT,
    INDICATORS_APART,
    JOINT,
    OWN,
    PAST,
    SPEED,
    STEPS_APART,
    compare,
    demand_of,
    fare,
    fare_instant,
    fleet_of,
    required,
)
from benchmarks.forecasting.served import SHUFFLES
from benchmarks.forecasting.tables import grouped, replica_table
from benchmarks.forecasting.verdicts import judge_replicas
from benchmarks.forecasting.work import Row
from benchmarks.tables import make_console
from foresail.domain.timeseries import DEMAND_INDICATORS, FloatArray
from foresail.forecasting.series.series import Series

TOLD = {"data": "x", "of": "flow", "lead_seconds": 60.0, "when": "ready"}


def wave(rows: int, step_seconds: float) -> Series:
    """A wave with noise that tokens share with requests."""
    rng = np.random.default_rng(0)
    place = np.arange(rows, dtype=np.float64)
    requests = 10.0 + 3.0 * np.sin(place / 20.0) + rng.normal(0.0, 0.5, rows)
    values = requests[:, None] * np.array([1.0, 900.0, 200.0]) * rng.normal(1.0, 0.02, (rows, 3))
    return Series("wave", DEMAND_INDICATORS, step_seconds * place.astype(np.float64), values.astype(np.float64))


def test_mean_demand_keeps_the_fleet_busy_and_the_peak_decides() -> None:
    demand = np.array([[1.0, 1000.0, 100.0], [3.0, 3000.0, 300.0]])
    fleet = fleet_of(demand)
    paths = np.array([demand, demand[::-1]])
    found = required(paths, fleet, 60.0, 120.0)
    np.testing.assert_allclose(found.ready, [1.5 * FLEET, 0.5 * FLEET])
    np.testing.assert_allclose(found.peak, [1.5 * FLEET, 1.5 * FLEET])


def test_replicas_are_bought_whole_and_missed_only_above_the_number_bought() -> None:
    fared = fare(np.full((20, 100), 3.2), np.tile([3.5, 4.1], 10), np.ones(20))
    np.testing.assert_array_equal(fared.bought, 4.0)
    row = compare({INDEPENDENT: [fared]}, TOLD)[0]
    assert row["crps"] == pytest.approx((0.3 + 0.9) / 2)
    assert (row["violation_99"], row["bought"], row["needed"]) == (0.5, 4.0, 4.5)
    assert row["newsvendor"] == pytest.approx(99.0 / 2)  # one replica short, in one of two
    assert row["crps_over_independent"] == row["energy_over_independent"] == 1.0


@given(st.integers(0, 2**32 - 1))
def test_shuffles_leave_every_marginal_and_keep_what_they_say_they_keep(seed: int) -> None:
    paths = np.random.default_rng(seed).random((2, 7, 3, 3))
    shuffled = {way: shuffle(paths, np.random.default_rng(seed)) for way, (shuffle, _) in SHUFFLES.items()}
    for found in shuffled.values():
        np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(paths, axis=1))
    rows, columns = (as_set(np.moveaxis(paths, 1, 2)), as_set(np.moveaxis(paths, 1, 3).transpose(0, 2, 3, 1)))
    assert as_set(np.moveaxis(shuffled[STEPS_APART], 1, 2)) == rows
    assert as_set(np.moveaxis(shuffled[INDICATORS_APART], 1, 3).transpose(0, 2, 3, 1)) == columns
    np.testing.assert_array_equal(shuffled[JOINT], paths)


def as_set(parts: FloatArray) -> set[tuple[float, ...]]:
    """The last axis' vectors, whatever their order."""
    return {tuple(part) for part in parts.reshape(-1, parts.shape[-1])}


def test_a_dependence_that_is_there_shows_in_both_scores() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=(400, 101, 1))
    drawn = np.exp(0.3 * common) * np.array([1.0, 1000.0, 300.0])
    outcomes, joint = drawn[:, 0], drawn[:, 1:]
    fleet = fleet_of(outcomes)
    orders = {INDEPENDENT: rng.permuted(joint, axis=1), PAST: joint}
    rows = compare({way: [fare_instant(samples, outcomes, fleet)] for way, samples in orders.items()}, TOLD)
    assert rows[1]["crps_over_independent"] < 1.0 > rows[1]["energy_over_independent"]
    assert abs(rows[1]["violation_99"] - 0.01) < 0.01 < rows[0]["violation_99"] - rows[1]["violation_99"]


def test_served_paths_are_compared_at_every_lead_time_ready_and_at_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    leads = (60.0, 300.0)
    monkeypatch.setattr(served, "LEADS_SECONDS", leads)
    monkeypatch.setattr(served, "SHUFFLES", {way: (shuffle, 1) for way, (shuffle, _) in SHUFFLES.items()})
    found = served.measure_served("wave", wave(200, 30.0))
    rows = [row for row in found if row["of"] == "served"]
    assert len(found) - len(rows) == 2 * len(leads)
    names = [(lead, when, way) for lead in leads for when in ("ready", "peak") for way in SHUFFLES]
    assert [(row["lead_seconds"], row["when"], row["dependence"]) for row in rows] == names
    assert all(row["crps"] > 0.0 and 15.0 < row["needed"] < 30.0 for row in rows)
    peaks = {row["dependence"]: row for row in rows if row["when"] == "peak" and row["lead_seconds"] == 300.0}
    assert peaks[JOINT]["crps_over_independent"] < 0.9  # a peak of steps that are apart is far too high
    console = make_console()
    with console.capture() as captured:
        console.print(replica_table(rows))
    assert all(f"wave, served, {name}whole paths" in captured.get() for name in ("", "peak, "))
    assert all(len(alike) == len(leads) for alike in grouped(rows).values())


def test_orders_of_a_flow_and_of_the_mixture_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from benchmarks.forecasting import orders  # noqa: PLC0415 - torch

    monkeypatch.setattr(orders, "LEADS_SECONDS", (60.0,))
    rows = orders.measure_orders("wave", wave(320, 60.0))
    ways = {of: [row["dependence"] for row in rows if row["of"] == of] for of in ("mixture", "flow")}
    assert ways["mixture"] == [INDEPENDENT, PAST]
    assert ways["flow"] == [INDEPENDENT, PAST, OWN]
    assert all(row["energy_over_independent"] < 1.0 for row in rows if row["dependence"] in (PAST, OWN))


def test_what_ships_is_not_met_where_another_order_is_better_in_both_scores() -> None:
    def row(way: str, crps: float, energy: float) -> Row:
        return TOLD | {"dependence": way, "crps_over_independent": crps, "energy_over_independent": energy}

    rows = [row(INDEPENDENT, 1.0, 1.0), row(PAST, 0.99, 0.98), row(INDICATORS_APART, 0.98, 0.985)]
    (verdict,) = judge_replicas(rows)
    assert verdict["met"]
    (verdict,) = judge_replicas([*rows, row(OWN, 0.985, 0.97)])
    assert not verdict["met"]
    assert list(judge_replicas([])) == []


def test_rates_become_tokens_a_second_at_the_speed_of_the_ramp() -> None:
    rates = Series(
        "x",
        ("requests_per_second", "mean_input_tokens", "mean_output_tokens"),
        np.arange(2.0),
        np.ones((2, 3)) * [2.0, 30.0, 4.0],
    )
    played = demand_of(None, {"x": rates})["x"]
    np.testing.assert_array_equal(played.values, [[2.0, 60.0, 8.0]] * 2)
    np.testing.assert_array_equal(played.times, [0.0, 1.0 / SPEED])
