"""The best change of a machine against every change that there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.policies.rescheduling.machines import pricing, rooms
from foresail.policies.rescheduling.machines.cluster import Machines, Slot
from foresail.policies.rescheduling.machines.pricing import Patterns, Pricing
from tests.unit.policies.rescheduling.test_machines import cluster

AIMS = {
    "slots": (Slot(4),),
    "small and large slots": (Slot(2, 0, 1), Slot(5, 0, 3)),
    "slots with memory": (Slot(4, 3),),
    "machines without VMs": (),
}
prices = st.lists(st.floats(0.0, 2.0), min_size=20, max_size=20)


def worth(made: Machines, machine: int, leave: np.ndarray, come: np.ndarray) -> float | None:
    """What counts on a machine after a change; None where it does not fit. Counted VM by VM."""
    kinds = made.shapes[0]
    free = np.stack((made.free_cpu[machine], made.free_memory[machine])).tolist()
    for sign, change in ((1, leave), (-1, come)):
        for place, kind in zip(*np.nonzero(change), strict=True):
            halves = 2 if kinds[kind, 2] else 1
            for numa in (0, 1) if place == 2 else (int(place),):
                for resource in (0, 1):
                    free[resource][numa] += sign * int(change[place, kind]) * int(kinds[kind, resource]) // halves
    if min(min(row) for row in free) < 0:
        return None
    if not made.slots:
        there = int((made.machine == machine).sum())
        return float(there - leave.sum() + come.sum() == 0)
    return float(
        sum(
            slot.weight * min(cpu // slot.cpu, memory // slot.memory if slot.memory else 99)
            for cpu, memory in zip(*free, strict=True)
            for slot in made.slots
        )
    )


def changes(made: Machines, machine: int, moves: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every way in which at most so many VMs leave, with every way in which a few come."""
    kinds, which = made.shapes
    here = np.flatnonzero((made.machine == machine) & (which >= 0))
    seats = Counter((int(made.node[vm]) % 3, int(which[vm])) for vm in here)
    left = [dict(zip(seats, taken, strict=True)) for taken in product(*(range(count + 1) for count in seats.values()))]
    forms = [(place, kind) for kind in range(len(kinds)) for place in ((2,) if kinds[kind, 2] else (0, 1))]
    comes = [Counter(few) for count in range(3) for few in combinations_with_replacement(forms, count)]
    for going, coming in product(left, comes):
        leave, come = np.zeros((2, 3, len(kinds)), np.int64)
        for change, counts in ((leave, going), (come, coming)):
            for (place, kind), number in counts.items():
                change[place, kind] = number
        if leave.sum() <= moves:
            yield leave, come


def by_trying(made: Machines, price: np.ndarray, move: float, moves: int = 99) -> list[float]:
    """What the best change with at most two comers is worth, of each machine."""
    best = []
    for machine in range(len(made.cpu)):
        found = []
        for leave, come in changes(made, machine, moves):
            counted = worth(made, machine, leave, come)
            if counted is not None:
                found.append(counted - ((leave - come) @ price).sum() - move * leave.sum())
        best.append(max(found))
    return best


def checked(made: Machines, found: Patterns, price: np.ndarray, move: float) -> np.ndarray:
    """What patterns are worth, each of which must fit and count what it says."""
    values = np.full(len(made.cpu), -np.inf)
    for machine, leave, come, counted in zip(found.machine, found.leave, found.come, found.worth, strict=True):
        assert worth(made, machine, leave, come) == counted
        values[machine] = counted - ((leave - come) @ price).sum() - move * leave.sum()
    return values


@pytest.mark.parametrize("aim", AIMS)
@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), price=prices, move=st.floats(0.0, 1.0))
def test_the_best_change_is_no_worse_than_any_and_is_what_it_says(
    aim: str, seed: int, price: list[float], move: float
) -> None:
    made = replace(cluster(seed, machines=2, vms=5), slots=AIMS[aim])
    paid = np.array(price[: len(made.shapes[0])])
    value, found = Pricing(made, 99).best(paid, move)
    assert checked(made, found, paid, move) == pytest.approx(value)
    assert (value >= np.array(by_trying(made, paid, move)) - 1e-9).all()


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), price=prices, move=st.floats(0.0, 1.0))
def test_where_ways_are_too_many_to_list_nothing_is_worth_more_than_is_said(
    seed: int, price: list[float], move: float
) -> None:
    made = cluster(seed, machines=2, vms=7)
    paid = np.array(price[: len(made.shapes[0])])
    exact, _ = Pricing(made, 99).best(paid, move)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms, "_MOST_WAYS", 16)
        patch.setattr(rooms, "_MOST_ROOMS", 12)  # so that fewer ways still are listed
        value, found = Pricing(made, 99).best(paid, move)
    assert (value >= exact - 1e-9).all()
    assert (checked(made, found, paid, move) <= exact + 1e-9).all()


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), price=prices, move=st.floats(0.0, 1.0))
def test_memory_in_steps_that_are_too_fine_is_rounded_to_what_is_never_less(
    seed: int, price: list[float], move: float
) -> None:
    made = replace(cluster(seed, machines=2, vms=5), slots=(Slot(4, 5),))
    paid = np.array(price[: len(made.shapes[0])])
    exact, _ = Pricing(made, 99).best(paid, move)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms, "_MOST_STEPS", 5)
        value, found = Pricing(made, 99).best(paid, move)
    assert (checked(made, found, paid, move) <= exact + 1e-9).all()
    assert (value >= exact - 1e-9).all()


def test_no_more_vms_leave_than_there_are_moves() -> None:
    made = cluster(4, machines=2, vms=8)
    free = np.zeros(len(made.shapes[0]))
    for moves in (1, 2):
        value, found = Pricing(made, moves).best(free, 0.0)
        assert (found.leave.sum(axis=(1, 2)) <= 3 * moves).all()
        assert (value >= np.array(by_trying(made, free, 0.0, moves)) - 1e-9).all()


def test_of_prices_that_time_did_not_suffice_for_nothing_is_concluded() -> None:
    made = cluster(2, machines=3, vms=12)
    price = np.asarray(0.3 * made.shapes[0][:, 0], np.float64)
    exact, _ = Pricing(made, 99).best(price, 0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pricing, "_AT_A_TIME", 1)
        most, found = Pricing(made, 99).best(price, 0.1, lambda: False)
        again, _ = Pricing(made, 99).best(price, 0.1)
    assert np.isinf(most).all()
    assert (checked(made, found, price, 0.1) <= exact + 1e-9).all()
    assert again == pytest.approx(exact)
