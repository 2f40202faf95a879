from __future__ import annotations

from dataclasses import replace

import numpy as np

from foresail.domain.reason import Reason
from foresail.policies.scaling.case import Case
from foresail.policies.scaling.consolidation import check_consolidation
from foresail.policies.scaling.required import Needs
from tests.builders import (
    make_demand,
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
    ready = make_variant_observation("a100", 6, served=make_demand(24))
    before = check_consolidation(make_case(make_observation(workload, variants=[old, starting])), (0, 5))
    after = check_consolidation(make_case(make_observation(workload, variants=[old, ready])), (0, 6))
    assert before is not None
    assert before.counts == (5, 5)
    assert after is None


def seen_case(replicas: int, rps: float, *, seen: float, pressure: float = 0.3, believed: float = 6.0) -> Case:
    """Replicas of which the profile says 6 rps and that were seen to serve `seen` each."""
    served = make_variant_observation("h100", replicas, served=make_demand(rps), pressure=pressure)
    case = make_case(make_observation(variants=[served], demand=rps), forecast=make_forecast(rps, spread=0.01))
    needs = make_needs(rps / believed)
    return with_needs(case, replace(needs, proven=np.array([rps / seen])))


def test_a_step_down_gives_nobody_much_more_work_than_it_was_seen_to_do() -> None:
    verdict = check_consolidation(seen_case(20, 60.0, seen=3.0), (10,))
    assert verdict is not None
    assert verdict.counts == (19,)  # one at a time, to 3.16 rps each; the profile would have allowed ten at once
    assert verdict.because == "ten replicas left ready would have to serve much more each than any was seen to"
    assert check_consolidation(seen_case(20, 60.0, seen=6.0), (10,)) is None


def test_replicas_that_look_busy_are_not_brought_to_where_they_would_be_full() -> None:
    assert check_consolidation(seen_case(20, 60.0, seen=3.0, pressure=0.6), (19,)) is None
    verdict = check_consolidation(seen_case(20, 60.0, seen=3.0, pressure=0.95), (10,))
    assert verdict is not None
    assert verdict.counts == (20,)


def test_few_replicas_go_one_at_a_time_where_those_that_stay_are_far_from_full() -> None:
    verdict = check_consolidation(seen_case(4, 4.0, seen=1.0), (1,))
    assert verdict is not None
    assert verdict.counts == (3,)
    assert check_consolidation(seen_case(2, 2.0, seen=1.0), (1,)) is None
    assert check_consolidation(seen_case(2, 5.5, seen=2.75), (1,)) is not None


def test_nothing_is_taken_from_replicas_that_are_full() -> None:
    verdict = check_consolidation(seen_case(8, 12.0, seen=6.0, pressure=1.0), (4,))
    assert verdict is not None
    assert verdict.counts == (8,)
    assert verdict.because == "the replicas of h100 are full"
