from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foresail.domain.reason import Reason
from foresail.domain.workload import Mode, Slo
from foresail.simulator.cycle import ForesailPolicy
from foresail.simulator.replay import RaceSettings, simulate
from foresail.simulator.trace import RateTrace
from tests.builders import make_accelerator, make_variant, make_workload

SETTINGS = RaceSettings(play_from_seconds=120_000.0, duration_seconds=300.0)


def make_policy() -> ForesailPolicy:
    workload = make_workload(variants=(make_variant(max_replicas=12),), slo=Slo(2000, 50, 95, 0.97))
    return ForesailPolicy(replace(workload, mode=Mode.AUTO), {"h100": make_accelerator(rps=4.5)})


def test_foresails_own_cycle_serves_a_steady_demand_with_few_replicas() -> None:
    rows = np.ones(260)
    trace = RateTrace(600.0, 9 * rows, 1000 * rows, 250 * rows, rows)  # two replicas' worth
    policy = make_policy()
    outcome = simulate(trace, policy, SETTINGS)
    assert outcome.attainment is not None
    assert outcome.attainment > 0.97
    assert max(row.desired for row in outcome.timeline) <= 4
    assert {decision.outlook.forecast_source for decision in policy.decisions} == {"mixture"}
    assert all(decision.message for decision in policy.decisions)


def test_a_demand_that_grows_is_met_before_it_comes() -> None:
    growth = np.concatenate([np.full(205, 6.0), np.linspace(6.0, 24.0, 40), np.full(40, 24.0)])
    same = np.ones(len(growth))
    trace = RateTrace(1200.0, growth, 1000 * same, 250 * same, same)  # a row a minute, 0.45 rps more in each
    settings = replace(SETTINGS, play_from_seconds=204 * 1200.0, duration_seconds=900.0, initial_replicas=2)
    policy = make_policy()
    outcome = simulate(trace, policy, settings)
    assert outcome.attainment is not None
    assert outcome.attainment > 0.95
    assert any(decision.reason == Reason.FORECAST_DEMAND for decision in policy.decisions)


def test_an_overload_leaves_no_replicas_behind() -> None:
    """Demand doubles unforeseen to what three replicas carry: their number settles, wherever it went before."""
    rows = np.concatenate([np.full(120, 7.0), np.full(40, 14.0)])  # a row a minute
    same = np.ones(len(rows))
    trace = RateTrace(60.0, rows, 1000 * same, 250 * same, same)
    policy = make_policy()
    policy.workload = replace(policy.workload, slo=Slo(2000, 50, 95, 0.99))
    settings = replace(SETTINGS, play_from_seconds=115 * 60.0, duration_seconds=2400.0, speed=1.0, initial_replicas=2)
    outcome = simulate(trace, policy, settings)
    assert max(row.queued for row in outcome.timeline) > 0
    assert max(row.desired for row in outcome.timeline) <= 6
    assert [row.desired for row in outcome.timeline[-40:]] == pytest.approx([5] * 40, abs=1)
    assert max(decision.outlook.feedback_factor or 0.0 for decision in policy.decisions) < 1.2
