from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foresail.policies.allocation.nodes.stock import stock_of
from foresail.policies.scaling.case import Case
from foresail.policies.scaling.gather import gather, within
from foresail.policies.scaling.guards import GUARDS, apply_guards
from foresail.policies.scaling.prices import Prices
from foresail.policies.scaling.required import Needs
from tests.property.policies.fleets import Fleet, fleets, without_windows

counts = st.integers(0, 40)


def case_of(fleet: Fleet) -> Case:
    memory = fleet.memory.workloads.get(fleet.workload.key)
    case = gather(fleet.snapshot, fleet.observation, fleet.forecast, memory, Prices())
    return within(case, stock_of(fleet.snapshot.pools))


def proposal(case: Case, *values: int) -> tuple[int, ...]:
    return tuple(values[: len(case.seats)])


@given(fleets(most_variants=1), counts, counts)
def test_a_greater_proposal_never_ends_below_a_smaller_one(fleet: Fleet, low: int, high: int) -> None:
    case = case_of(fleet)
    low, high = min(low, high), max(low, high)
    ends = [apply_guards(case, proposal(case, n))[0] for n in (low, high)]
    assert ends[0] <= ends[1]


@given(fleets(most_variants=1), counts, counts)
def test_each_guard_alone_is_monotone(fleet: Fleet, low: int, high: int) -> None:
    case = case_of(fleet)
    if not case.seats:
        return
    low, high = min(low, high), max(low, high)
    for guard in GUARDS:
        verdicts = [guard(case, (n,)) for n in (low, high)]
        ends = [v.counts if v else (n,) for v, n in zip(verdicts, (low, high), strict=True)]
        assert ends[0] <= ends[1], guard.__name__


@given(fleets(), counts, counts)
def test_the_steps_tell_the_whole_change(fleet: Fleet, one: int, other: int) -> None:
    case = case_of(fleet)
    start = proposal(case, one, other)
    end, steps = apply_guards(case, start)
    numbers = [sum(start), *(step.after for step in steps)]
    assert [step.before for step in steps] == numbers[:-1]
    assert numbers[-1] == sum(end)


@given(fleets(), counts, counts)
def test_guards_at_rest_leave_the_proposal_at_rest(fleet: Fleet, one: int, other: int) -> None:
    """Applied once more, they have nothing to add: the order hides no quarrel about what a person commanded."""
    case = case_of(fleet)
    if not case.seats:
        return
    end, _ = apply_guards(case, proposal(case, one, other))
    by_command = [guard for guard in GUARDS if guard.__name__ in {"obey_override", "keep_bounds", "stand_down"}]
    again = end
    for guard in by_command:
        verdict = guard(case, again)
        again = verdict.counts if verdict else again
    assert again == end


@given(fleets(), counts, counts)
def test_no_proposal_lowers_anything_while_something_is_unknown(fleet: Fleet, one: int, other: int) -> None:
    case = case_of(without_windows(fleet))
    known = case.demand_known and isinstance(case.needs, Needs) and case.needs.may_lower
    if known or case.override is not None:
        return
    end, _ = apply_guards(case, proposal(case, one, other))
    assert all(n >= min(current, most) for n, current, most in zip(end, case.current, case.most, strict=True))
