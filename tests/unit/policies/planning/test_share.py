from __future__ import annotations

import subprocess
import sys
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import WorkloadObservation
from foresail.domain.workload import WorkloadKey
from foresail.policies.allocation.nodes.stock import stock_of
from foresail.policies.cycle import run_cycle
from foresail.policies.planning import share as sharing
from foresail.policies.planning.share import planned_of, share
from foresail.policies.planning.usage import starts
from foresail.policies.scaling.case import Case
from foresail.policies.scaling.gather import gather, within
from foresail.policies.scaling.prices import Prices
from tests.builders import (
    make_accelerator,
    make_forecast,
    make_memory,
    make_observation,
    make_pool,
    make_snapshot,
    make_variant,
    make_variant_observation,
    make_workload,
)

PROFILES = [
    make_accelerator("h100", rps=6.0, usd_per_gpu_hour="4"),
    make_accelerator("l4", rps=1.5, usd_per_gpu_hour="1.2"),
]


def observe(name: str, h100: int | None, l4: int | None, *, demand: float = 24.0) -> WorkloadObservation:
    """A workload with variants on the accelerators for which it has a count."""
    counts = {"h100": h100, "l4": l4}
    variants = tuple(make_variant(kind, min_replicas=0) for kind, count in counts.items() if count is not None)
    observed = [make_variant_observation(kind, count) for kind, count in counts.items() if count is not None]
    return make_observation(make_workload(name, variants=variants), variants=observed, demand=demand)


def gathered(*asked: tuple[WorkloadObservation, float], free: dict[str, int]) -> tuple[list[Case], dict[str, int]]:
    pools = [make_pool(name, free=count) for name, count in free.items()]
    fleet = make_snapshot(*[observation for observation, _ in asked], accelerators=PROFILES, pools=pools)
    cases = [
        gather(fleet, o, make_forecast(rps, spread=0.1), make_memory(o.workload).workloads[o.workload.key], Prices())
        for o, rps in asked
    ]
    return cases, free


def shared(cases: list[Case], free: dict[str, int]) -> list[Case]:
    return share(cases, stock_of({name: make_pool(name, free=count) for name, count in free.items()}), Prices())


def counts_of(cases: list[Case]) -> list[dict[str, int]]:
    return [
        {case.seats[v].name: n for v, n in zip(case.roles[0], planned_of(case)[0].counts, strict=True)}
        for case in cases
    ]


def test_where_all_can_have_what_they_want_nothing_is_planned() -> None:
    cases, free = gathered((observe("a", 4, None), 36), (observe("b", 4, 0), 36), free={"h100": 9, "l4": 90})
    assert all(case.planned is None for case in shared(cases, free))


def test_one_that_could_do_with_another_pool_makes_room_for_one_that_could_not() -> None:
    """Both want h100, the cheaper per request; "flexible" comes first by name and still leaves it to "only"."""
    asked = ((observe("flexible", 4, 0), 36), (observe("only", 4, None), 36))
    cases, free = gathered(*asked, free={"h100": 3, "l4": 90})
    flexible, only = counts_of(shared(cases, free))
    assert only["h100"] == 7
    assert flexible["h100"] == 4
    assert flexible["l4"] * 1.5 + 24 >= 36


def test_the_sentence_of_one_that_makes_room_says_so() -> None:
    asked = [observe("flexible", 4, 0), observe("only", 4, None)]
    pools = [make_pool("h100", free=3), make_pool("l4", free=90)]
    fleet = make_snapshot(*asked, accelerators=PROFILES, pools=pools)
    memory = Memory({k: m for o in asked for k, m in make_memory(o.workload).workloads.items()})
    decisions = run_cycle(fleet, {key: make_forecast(36) for key in fleet.workloads}, memory).decisions
    flexible = decisions[WorkloadKey("prod", "flexible")]
    assert Reason.POOL_SHARED in {step.reason for step in flexible.steps}
    assert [variant.desired for variant in decisions[WorkloadKey("prod", "only")].variants] == [7]


def test_the_order_of_equals_changes_nothing() -> None:
    asked = [(observe("a", 4, 0), 40), (observe("b", 4, None), 36), (observe("c", 2, 3), 30)]
    found = []
    for order in permutations(asked):
        cases, free = gathered(*order, free={"h100": 4, "l4": 6})
        found.append(sum(choice.loss_usd_per_hour for case in shared(cases, free) for choice in planned_of(case)))
    assert max(found) == pytest.approx(min(found), rel=1e-6)


def test_without_an_answer_in_time_no_variant_gives_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_choose", lambda *_: None)
    cases, free = gathered((observe("a", 4, 8), 36), (observe("b", 4, None), 36), free={"h100": 2, "l4": 90})
    late = shared(cases, free)
    assert late[0].no_swaps
    assert all(n >= now for n, now in zip(planned_of(late[0])[0].counts, (4, 8), strict=True))


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.none() | st.integers(0, 5), st.sampled_from([6.0, 15.0, 27.0])),
        min_size=2,
        max_size=3,
    ),
    st.integers(0, 4),
    st.integers(0, 6),
)
@settings(max_examples=40, deadline=None)
def test_pools_are_not_exceeded_and_no_choice_among_the_offers_loses_less(
    fleet: list[tuple[int, int | None, float]], h100: int, l4: int
) -> None:
    asked = [(observe(f"w{i}", a, b, demand=rps), rps) for i, (a, b, rps) in enumerate(fleet)]
    cases, free = gathered(*asked, free={"h100": h100, "l4": l4})
    result = shared(cases, free)
    names, limit = ("h100", "l4"), np.array([h100, l4])
    taken = [starts(c, c.roles[0], np.array([planned_of(c)[0].counts]), names)[0] for c in result]
    assert (np.sum(taken, axis=0) <= limit).all()
    stock = stock_of({name: make_pool(name, free=count) for name, count in free.items()})
    offers = [sharing._offers(within(case, stock), Prices())[0] for case in cases]
    kept = [
        sharing._priced(role.offers, starts(case, role.seats, role.offers.counts, names), limit.astype(float))
        for case, role in zip(cases, offers, strict=True)
    ]
    best = min(
        sum(offer.usd_per_hour for offer in chosen)
        for chosen in product(*[list(own.values()) for own in kept])
        if (np.sum([offer.gpus for offer in chosen], axis=0) <= limit).all()
    )
    loss = sum(choice.loss_usd_per_hour for case in result for choice in planned_of(case))
    assert loss <= best * (1 + 1e-5) + 1e-9


def test_the_solver_is_not_loaded_before_pools_are_shared() -> None:
    """It takes memory that an operator with roomy pools never needs."""
    code = "import sys, foresail.policies.cycle; sys.exit('highspy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
