"""Laws of moving virtual machines, on small clusters of which every plan can be tried."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.plan import MachinePlan, best_moves
from foresail.policies.rescheduling.machines.search import Found, search
from foresail.policies.rescheduling.machines.task import Task
from foresail.policies.rescheduling.waves import Limits
from tests.unit.policies.rescheduling.test_machines import after, best_by_trying, cluster
from tests.unit.policies.rescheduling.test_machines_pricing import AIMS

aims = st.sampled_from(sorted(AIMS))
made_up = st.builds(
    lambda seed, vms, aim: replace(cluster(seed, vms=vms), slots=AIMS[aim]),
    st.integers(0, 10**6),
    st.integers(3, 7),
    aims,
)
larger = st.builds(
    lambda seed, aim: replace(cluster(seed, machines=7, vms=22), slots=AIMS[aim]), st.integers(0, 10**6), aims
)
priced = st.sampled_from((0.0, 0.0, 0.25, 0.5, 1.5))


def effort() -> Effort:
    """A clock on which a search may ask two hundred times whether there is time."""
    return Effort(count(0.0, 0.025).__next__, 5.0)


def plan(made: Machines, moves: int, price: float = 0.0) -> MachinePlan:
    return best_moves(Task(made, moves, price), Limits(), effort())


def searched(made: Machines, moves: int) -> Found:
    return search(Task(made, moves), effort())


def worth(made: Machines, steps: tuple[object, ...], price: float) -> float:
    return after(made, steps).worth() - price * len(steps)


@settings(max_examples=25)
@given(made=made_up, price=priced)
def test_no_two_moves_are_worth_more_than_the_bound(made: Machines, price: float) -> None:
    found = plan(made, 2, price)

    best = best_by_trying(made, 2, price)

    assert found.bound is not None
    assert found.bound >= best - 1e-6
    assert worth(made, found.steps, price) <= best + 1e-9
    if found.certified:
        assert worth(made, found.steps, price) == pytest.approx(best)


@settings(max_examples=25)
@given(made=larger, price=priced)
def test_every_move_finds_its_room_and_none_costs_more_than_it_earns(made: Machines, price: float) -> None:
    found = plan(made, 6, price)

    after(made, found.steps)  # which asserts room

    assert len({step.vm for step in found.steps}) == len(found.steps) <= 6
    assert sorted(place for wave in found.waves for place in wave) == list(range(len(found.steps)))
    assert worth(made, found.steps, price) >= made.start
    for begun in range(len(found.steps)):
        assert worth(made, found.steps[:begun], price) <= worth(made, found.steps, price) + 1e-9


@settings(max_examples=12)
@given(made=larger)
def test_more_moves_never_hurt_and_never_lower_the_bound(made: Machines) -> None:
    plans = [searched(made, moves) for moves in (0, 1, 5)]

    bounds, values = [found.bound for found in plans], [found.worth for found in plans]

    assert values == sorted(values)
    assert all(np.floor(few + 1e-6) <= many + 1e-6 for few, many in pairwise(bounds))
    assert all(value <= bound for value in values[:1] for bound in bounds)


@settings(max_examples=12)
@given(made=larger, order=st.randoms(use_true_random=False))
def test_names_make_no_difference_to_the_bound_and_next_to_none_to_the_plan(made: Machines, order: object) -> None:
    rng = np.random.default_rng(order.getrandbits(32))  # type: ignore[attr-defined]
    vms, machines = rng.permutation(len(made.vm_cpu)), rng.permutation(len(made.cpu))
    mixed = Machines(
        made.slots,
        made.cpu[machines],
        made.memory[machines],
        made.vm_cpu[vms],
        made.vm_memory[vms],
        made.double[vms],
        np.argsort(machines)[made.machine[vms]],
        made.node[vms],
        made.movable[vms],
    )

    one, other = (searched(which, 4) for which in (made, mixed))

    assert np.floor(one.bound + 1e-6) == np.floor(other.bound + 1e-6)
    assert abs(one.worth - other.worth) <= 1  # of equally good patterns others are known


@settings(max_examples=12)
@given(made=larger, seed=st.integers(0, 100))
def test_pinned_vms_stay_and_fewer_that_may_move_never_gain_more(made: Machines, seed: int) -> None:
    movable = np.random.default_rng(seed).random(len(made.vm_cpu)) < 0.5
    pinned = replace(made, movable=movable)

    some, every = (searched(which, 5) for which in (pinned, made))

    assert all(movable[step.vm] for step in some.steps)
    assert some.worth <= every.bound + 1e-6
