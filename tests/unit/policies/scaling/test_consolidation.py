from __future__ import annotations

from dataclasses import replace

from foresail.domain.reason import Reason
from foresail.policies.scaling.case import Case
from foresail.policies.scaling.consolidation import check_consolidation
from foresail.policies.scaling.required import Needs
from tests.builders import (
    make_forecast,
    make_observation,
    make_replicas,
    make_variant,
    make_variant_observation,
    make_workload,
)
from tests.unit.policies.cases import make_case, make_needs


def with_needs(case: Case, needs: Needs) -> Case:
    return replace(case, needs=needs)


def test_a_step_down_that_the_rest_can_carry_passes() -> None:
    case = with_needs(make_case(make_observation(replicas=8)), make_needs(4.9))
    assert check_consolidation(case, (5,)) is None


def test_a_step_down_stops_where_the_rest_still_carries_the_forecast() -> None:
    case = with_needs(make_case(make_observation(replicas=8)), make_needs(6.2, now=3))
    verdict = check_consolidation(case, (5,))
    assert verdict is not None
    assert verdict.counts == (7,)
    assert verdict.reason == Reason.CONSOLIDATION_UNSAFE
    assert verdict.because == "five replicas left ready would not carry the demand of now and of the next 180 s"


def test_demand_of_now_counts_though_the_forecast_says_it_will_be_gone() -> None:
    case = with_needs(make_case(make_observation(replicas=8)), make_needs(1, now=7.5))
    verdict = check_consolidation(case, (2,))
    assert verdict is not None
    assert verdict.counts == (8,)


def test_replicas_that_still_start_carry_nothing() -> None:
    observation = make_observation(replicas=make_replicas(8, ready=3, starting=5))
    verdict = check_consolidation(with_needs(make_case(observation), make_needs(4)), (5,))
    assert verdict is not None
    assert verdict.counts == (8,)


def test_it_never_adds_beyond_what_there_is() -> None:
    verdict = check_consolidation(with_needs(make_case(make_observation(replicas=5)), make_needs(40)), (3,))
    assert verdict is not None
    assert verdict.counts == (5,)


def test_a_step_up_is_not_its_business() -> None:
    assert check_consolidation(with_needs(make_case(), make_needs(40)), (6,)) is None


def test_a_peak_before_the_lead_time_is_over_holds_replicas() -> None:
    """The dip after the lead time is no reason to take away what the next two minutes need."""
    rates = [48.0] * 8 + [12.0] * 12
    case = make_case(make_observation(replicas=9, demand=48), forecast=make_forecast(rates))
    verdict = check_consolidation(case, (3,))
    assert verdict is not None
    # Of 48 rps at 6 per replica, 8 carry all but what the 99 % promise allows to miss under a capacity known to 10 %.
    assert 8 <= verdict.counts[0] <= 9


def test_the_new_variant_is_ready_before_the_old_one_goes() -> None:
    workload = make_workload(variants=(make_variant("h100"), make_variant("a100")))
    old = make_variant_observation("h100", 5)
    starting = make_variant_observation("a100", make_replicas(5, ready=0, starting=5))
    ready = make_variant_observation("a100", 6)
    before = check_consolidation(make_case(make_observation(workload, variants=[old, starting])), (0, 5))
    after = check_consolidation(make_case(make_observation(workload, variants=[old, ready])), (0, 6))
    assert before is not None
    assert before.counts == (5, 5)
    assert after is None
