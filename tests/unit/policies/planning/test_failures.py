"""What goes wrong around a shared pool: nobody loses replicas for it, and each says what it means for him."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from foresail.domain.accelerator import Accelerator, Pool
from foresail.domain.decision import Decision
from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import WorkloadObservation
from foresail.policies.cycle import run_cycle
from foresail.policies.planning import share as sharing
from tests.builders import (
    NOW,
    make_accelerator,
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

PROFILES = (make_accelerator("h100"), make_accelerator("a100", rps=3.0, usd_per_gpu_hour="2.2"))


def both(name: str = "chat", h100: int = 5, a100: int = 0, **h100_changes: object) -> WorkloadObservation:
    """A workload with both variants, its h100 replicas as told."""
    workload = make_workload(
        name, variants=(make_variant("h100", min_replicas=0), make_variant("a100", min_replicas=0))
    )
    observed = [
        make_variant_observation("h100", make_replicas(h100, **h100_changes)),
        make_variant_observation("a100", a100),
    ]
    return make_observation(workload, variants=observed)


def decide(
    *observations: WorkloadObservation,
    pools: Sequence[Pool] | None,
    rps: float = 24.0,
    profiles: Sequence[Accelerator] = PROFILES,
) -> list[Decision]:
    fleet = make_snapshot(*observations, accelerators=profiles, pools=pools)
    memory = Memory({k: m for o in observations for k, m in make_memory(o.workload).workloads.items()})
    return list(run_cycle(fleet, {key: make_forecast(rps) for key in fleet.workloads}, memory).decisions.values())


def counts(decision: Decision) -> dict[str, int | None]:
    return {variant.name: variant.desired for variant in decision.variants}


def test_a_type_that_disappears_while_it_is_rolled_out_takes_nothing_with_it() -> None:
    """Its nodes are gone and its new replicas hang: they stay asked for, and the other variant takes over."""
    hanging = both(h100=8, a100=0, ready=5, pending=3, pending_seconds=(900.0,) * 3)
    (decision,) = decide(hanging, pools=[make_pool("h100", free=0, total=0), make_pool("a100")], rps=46)
    assert counts(decision) == {"h100": 8, "a100": 4}  # as many at once as behavior lets it
    wanted = next(step for step in decision.steps if step.rule == "keep_within_reach")
    assert "a100 6" in wanted.message
    condition = next(c for c in decision.conditions if c.type == "CapacityAvailable")
    assert (condition.status, condition.reason) == ("False", Reason.REPLICAS_STUCK)


def test_a_pool_that_shrinks_below_what_runs_lowers_nobody() -> None:
    decisions = decide(both("a"), both("b"), pools=[make_pool("h100", free=-4, total=6), make_pool("a100", free=0)])
    assert [decision.desired for decision in decisions] == [5, 5]


def test_a_pool_that_shrinks_caps_what_is_added_and_says_so() -> None:
    decisions = decide(both("a"), both("b"), pools=[make_pool("h100", free=1), make_pool("a100", free=1)], rps=54)
    assert sum(decision.desired for decision in decisions) == 12
    assert all(Reason.POOL_EXHAUSTED in {step.reason for step in decision.steps} for decision in decisions)


def test_a_variant_without_a_profile_is_no_way_out_of_a_full_pool() -> None:
    (decision,) = decide(
        both(), pools=[make_pool("h100", free=0)], rps=54, profiles=[PROFILES[0], make_accelerator("a100", rps=None)]
    )
    assert counts(decision) == {"h100": 5, "a100": 0}


def test_a_solver_that_runs_out_of_time_lowers_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_choose", lambda *_: None)
    decisions = decide(
        both("a", a100=2), both("b", a100=2), pools=[make_pool("h100", free=1), make_pool("a100", free=1)], rps=54
    )
    assert all(
        (variant.desired or 0) >= (variant.current or 0) for decision in decisions for variant in decision.variants
    )
    assert all("no way to share the pools was found in time" in decision.steps[0].message for decision in decisions)


def test_a_minimum_beyond_what_there_is_keeps_nobody_from_sharing() -> None:
    """It is asked for whatever is chosen; that it has no room is no reason to say that no way was found."""
    variants = (make_variant("h100", min_replicas=4), make_variant("a100", min_replicas=0))
    observed = [make_variant_observation("h100", 1), make_variant_observation("a100", 2)]
    raised = make_observation(make_workload("b", variants=variants), variants=observed)
    decisions = decide(both("a"), raised, pools=[make_pool("h100", free=1), make_pool("a100", free=20)], rps=40)
    assert [counts(decision)["h100"] for decision in decisions] == [5, 4]
    assert (counts(decisions[0])["a100"] or 0) * 3 >= 40 - 5 * 6
    assert not any("in time" in step.message for decision in decisions for step in decision.steps)


def test_the_solver_is_deterministic() -> None:
    pools = [make_pool("h100", free=2), make_pool("a100", free=3)]
    first, second = (decide(both("a"), both("b", h100=4), both("c", h100=2), pools=pools, rps=40) for _ in range(2))
    assert first == second
    assert all(decision.time == NOW for decision in first)
