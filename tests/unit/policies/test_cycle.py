from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import Behavior, Mode, Role, Schedule, WorkloadKey
from foresail.policies.cycle import Prices, run_cycle
from tests.builders import (
    NOW,
    make_accelerator,
    make_demand,
    make_forecast,
    make_memory,
    make_observation,
    make_pool,
    make_replicas,
    make_snapshot,
    make_variant,
    make_variant_observation,
    make_workload,
)
from tests.unit.policies.cases import condition, decide_one, make_rules

UNKNOWN = Unknown("NoSeries", "there is no series; scrape the pods")


def sleepy(**changes: Any) -> dict[str, Any]:
    """A workload that may sleep."""
    return {"variants": (make_variant(min_replicas=0),), **changes}


def test_replicas_are_asked_for_one_lead_time_before_the_demand() -> None:
    """A ramp from 24 to 48 rps in 180 s, which is how long a start takes, is answered now."""
    ramp = [24.0] * 11 + [48.0] * 20
    assert decide_one(forecast=make_forecast(ramp)).desired > 8
    later = [24.0] * 20 + [48.0] * 20
    assert decide_one(forecast=make_forecast(later)).desired == 5


def test_a_starting_replica_counts_as_one() -> None:
    observation = make_observation(replicas=make_replicas(10, ready=5, starting=5))
    assert decide_one(observation, forecast=make_forecast(48)).desired == 10


def test_without_a_forecast_demand_of_now_adds_replicas() -> None:
    decision = decide_one(make_observation(demand=40.0), forecast=UNKNOWN)
    assert (decision.desired, decision.reason) == (7, Reason.DEMAND_NOW)  # 40 / 6 = 6.7
    assert condition(decision, "ForecastCalibrated") == ("Unknown", Reason.FORECAST_UNKNOWN)


def test_demand_that_is_no_number_is_unknown() -> None:
    decision = decide_one(make_observation(demand=make_demand(float("nan"))))
    assert (decision.desired, decision.reason) == (5, Reason.METRICS_UNKNOWN)


def test_a_missing_target_leaves_nothing_to_write() -> None:
    decision = decide_one(make_observation(replicas=None))
    assert (decision.found, decision.steps, decision.reason) == (False, (), Reason.TARGET_NOT_FOUND)
    assert decision.outlook.usd_per_hour is None
    assert decision.message.startswith("prod/chat is left as it is: no target was found: Deployment/chat-h100 does not")
    assert not decision.variants[0].acts
    assert condition(decision, "TargetResolved") == ("False", "TargetNotFound")


def test_a_missing_target_of_one_variant_is_named_beside_the_total_of_the_others() -> None:
    workload = make_workload(variants=(make_variant("h100"), make_variant("a100")))
    observed = [make_variant_observation("h100", 5), make_variant_observation("a100", None)]
    decision = decide_one(make_observation(workload, variants=observed), forecast=make_forecast(36))
    assert decision.found
    assert decision.message.startswith("prod/chat: 5 → 7 replicas without a100 (no target is known). In 180 s")


def test_proved_silence_puts_a_workload_to_sleep_that_may_sleep() -> None:
    memory = make_memory(make_workload())
    observation = make_observation(make_workload(**sleepy()), demand=0, replicas=2)
    first = run_cycle(make_snapshot(observation), {observation.workload.key: make_forecast(0)}, memory)
    later = make_snapshot(observation, now=NOW + 301)
    forecasts = {observation.workload.key: make_forecast(0, origin=NOW + 301)}
    decision = run_cycle(later, forecasts, first.memory).decisions[observation.workload.key]
    assert (decision.desired, decision.reason) == (0, Reason.NO_TRAFFIC)


@pytest.mark.parametrize("window", [0, 10])
def test_a_window_shorter_than_the_cycle_holds_nothing(window: int) -> None:
    behavior = Behavior(scale_down=make_rules(("Percent", 100, 15), window=window))
    workload, memory = make_workload(behavior=behavior), Memory()
    for cycle in range(2):
        snapshot = make_snapshot(make_observation(workload, replicas=9), now=NOW + 15 * cycle)
        result = run_cycle(snapshot, {workload.key: make_forecast(24, origin=NOW + 15 * cycle)}, memory)
        memory = result.memory
    assert result.decisions[workload.key].desired == 5


def test_unknown_demand_puts_nobody_to_sleep() -> None:
    observation = make_observation(make_workload(**sleepy()), demand=UNKNOWN, replicas=2)
    assert decide_one(observation, forecast=make_forecast(0)).desired == 2


def test_a_workload_asleep_sleeps_on_while_nothing_is_known() -> None:
    observation = make_observation(make_workload(**sleepy()), demand=UNKNOWN, replicas=0)
    decision = decide_one(observation, forecast=UNKNOWN)
    assert (decision.desired, decision.reason) == (0, Reason.METRICS_UNKNOWN)
    assert condition(decision, "MetricsAvailable")[0] == "Unknown"


def test_the_forecast_wakes_a_workload_before_its_morning() -> None:
    observation = make_observation(make_workload(**sleepy()), demand=UNKNOWN, replicas=0)
    decision = decide_one(observation, forecast=make_forecast(20))
    assert decision.desired == 4
    assert decision.reason == Reason.FORECAST_DEMAND


def test_a_schedule_wakes_a_workload() -> None:
    schedule = Schedule("noon", "11:00", "14:00", "UTC", 3)
    observation = make_observation(make_workload(**sleepy(schedules=(schedule,))), demand=UNKNOWN, replicas=0)
    assert decide_one(observation, forecast=UNKNOWN).desired == 3


def test_pending_replicas_do_not_freeze_the_loop() -> None:
    """Demand falls while two replicas have been pending for an hour: the loop goes on and lets them go."""
    replicas = make_replicas(7, ready=5, pending=2, pending_seconds=(3600.0, 3600.0))
    observation = make_observation(replicas=replicas, demand=12)
    memory = make_memory(target_uids={"h100": "uid-of-h100"})
    first = run_cycle(make_snapshot(observation), {observation.workload.key: make_forecast(12)}, memory)
    later = make_snapshot(observation, now=NOW + 301)
    forecasts = {observation.workload.key: make_forecast(12, origin=NOW + 301)}
    decision = run_cycle(later, forecasts, first.memory).decisions[observation.workload.key]
    assert decision.desired == 3
    assert condition(decision, "CapacityAvailable") == ("False", Reason.REPLICAS_STUCK)


def test_another_variant_takes_over_for_one_whose_replicas_are_stuck() -> None:
    workload = make_workload(variants=(make_variant("h100"), make_variant("a100", min_replicas=0)))
    stuck = make_variant_observation("h100", make_replicas(7, ready=5, pending=2, pending_seconds=(3600.0, 3600.0)))
    observation = make_observation(workload, variants=[stuck, make_variant_observation("a100", 0)], demand=40)
    decision = decide_one(observation, forecast=make_forecast(40))
    desired = {variant.name: variant.desired for variant in decision.variants}
    assert desired["h100"] == 7  # not one more, and none taken away for it
    assert desired["a100"] is not None
    assert desired["a100"] >= 2


def test_a_shortfall_of_the_pool_is_a_condition() -> None:
    decision = decide_one(forecast=make_forecast(54), pools=[make_pool(free=1)])
    assert (decision.desired, decision.reason) == (6, Reason.POOL_EXHAUSTED)
    assert condition(decision, "CapacityAvailable") == ("False", Reason.POOL_EXHAUSTED)
    message = next(c.message for c in decision.conditions if c.type == "CapacityAvailable")
    assert message.startswith("Pool h100 has free GPUs for one replica: ")


def test_scarce_gpus_go_to_the_greater_priority_and_not_to_those_that_only_advise() -> None:
    urgent = make_observation(make_workload("urgent", priority=9))
    other = make_observation(make_workload("other"))
    advised = make_observation(make_workload("advised", priority=99, mode=Mode.ADVISORY))
    fleet = make_snapshot(other, advised, urgent, pools=[make_pool(free=4)])
    forecasts = {key: make_forecast(46) for key in fleet.workloads}
    memory = Memory({k: m for o in (other, urgent, advised) for k, m in make_memory(o.workload).workloads.items()})
    decisions = run_cycle(fleet, forecasts, memory).decisions
    assert [decisions[WorkloadKey("prod", name)].desired for name in ("urgent", "other")] == [8, 6]
    assert list(decisions) == list(fleet.workloads)


def test_prefill_and_decode_are_sized_for_their_own_part() -> None:
    variants = (make_variant("h100", role=Role.PREFILL), make_variant("a100", role=Role.DECODE))
    decision = decide_one(make_observation(make_workload(variants=variants), replicas=4), forecast=make_forecast(36))
    assert [variant.desired for variant in decision.variants] == [7, 7]  # as if each had the whole 6 rps to itself


def test_a_variant_without_profile_is_left_out_until_it_has_replicas() -> None:
    workload = make_workload(variants=(make_variant("h100"), make_variant("a100", min_replicas=0)))
    profiles = [make_accelerator("h100"), make_accelerator("a100", rps=None)]
    observed = [make_variant_observation("h100", 5), make_variant_observation("a100", 0)]
    decision = decide_one(
        make_observation(workload, variants=observed), forecast=make_forecast(36), accelerators=profiles
    )
    assert [variant.desired for variant in decision.variants] == [7, 0]


def test_capacity_is_learned_without_a_profile() -> None:
    workload, memory, desired = make_workload(), make_memory(), []
    for cycle in range(3):
        seen = make_variant_observation(replicas=5, served=make_demand(30), pressure=1.0)
        snapshot = make_snapshot(
            make_observation(workload, variants=[seen], demand=30),
            accelerators=[make_accelerator(rps=None)],
            now=NOW + 15 * cycle,
        )
        result = run_cycle(snapshot, {workload.key: make_forecast(48, origin=NOW + 15 * cycle)}, memory)
        memory = result.memory
        desired.append(result.decisions[workload.key].desired)
    # Five full replicas serve 30 rps; 48 rps take eight and some for what is not yet known for sure.
    assert all(8 <= count <= 12 for count in desired)


def test_a_price_that_no_profile_knows_comes_from_the_settings() -> None:
    fleet = make_snapshot(accelerators=[make_accelerator(usd_per_gpu_hour=None)])
    key = make_workload().key
    decision = run_cycle(fleet, {key: make_forecast(24)}, make_memory(), Prices(usd_per_replica_hour=3.0)).decisions[
        key
    ]
    assert decision.outlook.usd_per_hour == 15


@pytest.mark.parametrize("price", [None, "0"])
def test_without_a_price_the_decision_is_the_same_and_nobody_hears_of_money(price: str | None) -> None:
    priced = decide_one(forecast=make_forecast(38), accelerators=[make_accelerator(usd_per_gpu_hour="1")])
    unpriced = decide_one(forecast=make_forecast(38), accelerators=[make_accelerator(usd_per_gpu_hour=price)])
    assert unpriced.desired == priced.desired
    assert (unpriced.outlook.usd_per_hour, unpriced.outlook.expected_loss_usd_per_hour) == (None, None)
    assert "USD" in priced.message
    assert "USD" not in unpriced.message + "".join(step.message for step in unpriced.steps)
    assert "expected loss is least with seven replicas." in unpriced.message


def test_of_several_variants_one_without_a_price_leaves_the_total_unknown() -> None:
    workload = make_workload(variants=(make_variant("h100"), make_variant("a100")))
    observed = [make_variant_observation("h100", 5), make_variant_observation("a100", 2)]

    def cost(price: str | None) -> float | None:
        accelerators = [make_accelerator("h100"), make_accelerator("a100", usd_per_gpu_hour=price)]
        return decide_one(make_observation(workload, variants=observed), accelerators=accelerators).outlook.usd_per_hour

    assert cost("2.5") == 25  # five at 4 USD/h and two at 2.5
    assert cost(None) is None


def test_the_cost_is_that_of_what_runs_and_not_of_what_is_decided() -> None:
    advised = decide_one(make_observation(make_workload(mode=Mode.ADVISORY)), forecast=make_forecast(54))
    assert advised.desired > advised.current
    assert advised.outlook.usd_per_hour == 20  # five at 4 USD/h


@pytest.mark.parametrize("prices", [{"usd_per_replica_hour": 0.0}, {"switching_hold_seconds": -1.0}])
def test_prices_must_be_positive(prices: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Prices(**prices)


def test_reasons_leave_as_plain_strings() -> None:
    """Whatever writes them down (JSON, YAML) need not know our enumeration."""
    decision = decide_one()
    reasons = [decision.reason, *(s.reason for s in decision.steps), *(c.reason for c in decision.conditions)]
    assert {type(reason) for reason in reasons} == {str}


def test_the_outlook_holds_the_numbers_behind_the_decision() -> None:
    outlook = decide_one(forecast=make_forecast(36, spread=0.2)).outlook
    assert outlook.lead_time_seconds == 180
    assert outlook.demand_now_rps == 24
    assert outlook.demand_median_rps == pytest.approx(36, rel=0.01)
    assert outlook.required_now == pytest.approx(4)
    assert outlook.capacity_rps == pytest.approx(6)
    assert outlook.required_q95 is not None
    assert outlook.required_q95 > 6 * np.exp(0.2)
    assert outlook.expected_loss_usd_per_hour


def test_a_cycle_of_two_hundred_workloads_is_cheap() -> None:
    """Two variants and 200 sample paths each. The budget is 0.3 s; half of it is usual, twice is for busy machines."""
    variants = (make_variant("h100"), make_variant("a100"))
    observations = [make_observation(make_workload(f"w{i}", variants=variants)) for i in range(200)]
    fleet = make_snapshot(*observations)
    forecasts = {key: make_forecast(30 + i / 10, spread=0.3) for i, key in enumerate(fleet.workloads)}
    memory, seconds = Memory(), []
    for _ in range(3):
        started = time.process_time()
        memory = run_cycle(fleet, forecasts, memory).memory
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.6
