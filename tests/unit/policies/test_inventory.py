"""What is decided while free GPUs are not counted."""

from __future__ import annotations

from foresail.domain.reason import Reason
from tests.builders import (
    make_accelerator,
    make_forecast,
    make_memory,
    make_observation,
    make_variant,
    make_variant_observation,
    make_workload,
)
from tests.unit.policies.cases import condition, decide_one


def test_an_unknown_inventory_caps_nothing_and_says_so() -> None:
    decision = decide_one(forecast=make_forecast(36), pools=None)
    assert decision.desired > 5
    assert condition(decision, "CapacityAvailable") == ("Unknown", Reason.INVENTORY_UNKNOWN)


def test_with_an_unknown_inventory_no_variant_gives_to_another_and_it_is_said() -> None:
    """The other variant would do the same for a quarter; without a count of its GPUs what runs is kept."""
    profiles = [make_accelerator("h100"), make_accelerator("a100", usd_per_gpu_hour="1")]
    workload = make_workload(variants=(make_variant("h100"), make_variant("a100", min_replicas=0)))
    observed = [make_variant_observation("h100", 5), make_variant_observation("a100", 0)]
    observation = make_observation(workload, variants=observed)
    blind = decide_one(observation, forecast=make_forecast(33), accelerators=profiles, pools=None)
    assert [variant.desired for variant in blind.variants] == [5, 1]
    assert "no variant giving to another as free GPUs were not counted" in blind.message
    seen = decide_one(observation, forecast=make_forecast(33), accelerators=profiles)
    assert seen.variants[1].desired is not None
    assert seen.variants[1].desired > 3


def test_with_an_unknown_inventory_a_fall_of_demand_still_lets_replicas_go() -> None:
    workload = make_workload(variants=(make_variant("h100"), make_variant("a100", min_replicas=0)))
    observed = [make_variant_observation("h100", 5), make_variant_observation("a100", 4)]
    observation = make_observation(workload, variants=observed, demand=20)
    memory = make_memory(workload, target_uids={"h100": "uid-of-h100", "a100": "uid-of-a100"})
    decision = decide_one(observation, forecast=make_forecast(20), memory=memory, pools=None)
    assert decision.desired < 9
    assert all((variant.desired or 0) <= (variant.current or 0) for variant in decision.variants)
