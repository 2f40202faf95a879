from __future__ import annotations

import itertools
import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.decision import Decision, VariantDecision
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import Mode
from foresail.policies.cycle import run_cycle
from foresail.policies.scaling.said import gist
from tests.builders import NOW
from tests.property.policies.fleets import UNKNOWN, Fleet, fleets, without_windows

TYPES = [
    "Ready",
    "MetricsAvailable",
    "TargetResolved",
    "CapacityAvailable",
    "ForecastCalibrated",
    "Conflict",
    "Overridden",
]
STANDS_DOWN = {Reason.CONFLICTING_CONTROLLER, Reason.EDITED_BY_HAND, Reason.MODE_OFF}


def decide(fleet: Fleet) -> Decision:
    forecasts = {fleet.workload.key: fleet.forecast}
    return run_cycle(fleet.snapshot, forecasts, fleet.memory).decisions[fleet.workload.key]


def overridden(fleet: Fleet) -> bool:
    override = fleet.workload.override
    return override is not None and override.until > NOW


def expect_nothing_lowered(fleet: Fleet, decision: Decision) -> None:
    """Whatever failed, no target ends below what it has, unless that is more than its maximum."""
    for variant, decided in zip(fleet.workload.variants, decision.variants, strict=True):
        if decided.current is not None and decided.desired is not None:
            assert decided.desired >= min(decided.current, variant.max_replicas)


@given(fleets())
def test_every_change_of_the_number_is_explained_by_a_step(fleet: Fleet) -> None:
    decision = decide(fleet)
    numbers = [decision.current, *(step.after for step in decision.steps)]
    assert [step.before for step in decision.steps] == numbers[:-1]
    assert numbers[-1] == decision.desired
    assert bool(decision.steps) == decision.found
    assert not decision.steps or decision.reason == decision.steps[-1].reason
    assert all(step.message.endswith(".") for step in decision.steps)
    assert str(decision.key) in decision.message


@given(fleets())
def test_counts_end_within_the_bounds_unless_we_stand_down(fleet: Fleet) -> None:
    decision = decide(fleet)
    for variant, decided in zip(fleet.workload.variants, decision.variants, strict=True):
        if decided.desired is None:
            continue
        if decision.reason in STANDS_DOWN:
            assert decided.desired == decided.current
        else:
            assert variant.min_replicas <= decided.desired <= variant.max_replicas


@given(fleets())
def test_no_hand_holds_an_override_and_no_condition_says_so(fleet: Fleet) -> None:
    decision = decide(fleet)
    conflict = next(each for each in decision.conditions if each.type == "Conflict")
    if overridden(fleet) and fleet.workload.mode is not Mode.OFF:
        assert decision.reason != Reason.EDITED_BY_HAND
        assert conflict.reason != Reason.EDITED_BY_HAND
    if fleet.workload.mode is Mode.AUTO and decision.found:
        found = [variant for variant in decision.variants if variant.current is not None]
        assert all(variant.acts is (conflict.status == "False") for variant in found)


@given(fleets())
def test_an_unknown_demand_never_lowers_replicas(fleet: Fleet) -> None:
    fleet = without_windows(fleet)
    observation = replace(fleet.observation, demand=UNKNOWN)
    snapshot = replace(fleet.snapshot, workloads={fleet.workload.key: observation})
    blind = replace(fleet, snapshot=snapshot, observation=observation)
    if not overridden(blind):
        expect_nothing_lowered(blind, decide(blind))


@given(fleets())
def test_an_unknown_forecast_never_lowers_replicas(fleet: Fleet) -> None:
    blind = replace(without_windows(fleet), forecast=UNKNOWN)
    if not overridden(blind):
        expect_nothing_lowered(blind, decide(blind))


@given(fleets())
def test_an_unknown_capacity_never_lowers_replicas(fleet: Fleet) -> None:
    fleet = without_windows(fleet)
    profiles = {name: replace(profile, capacity=()) for name, profile in fleet.snapshot.accelerators.items()}
    observation = replace(
        fleet.observation, variants=tuple(replace(v, pressure=None) for v in fleet.observation.variants)
    )
    workloads = {fleet.workload.key: observation}
    blind = replace(
        fleet, snapshot=replace(fleet.snapshot, accelerators=profiles, workloads=workloads), observation=observation
    )
    if not overridden(blind):
        expect_nothing_lowered(blind, decide(blind))


@given(fleets())
def test_only_auto_without_a_rival_acts(fleet: Fleet) -> None:
    decision = decide(fleet)
    for observed, decided in zip(fleet.observation.variants, decision.variants, strict=True):
        if decided.acts:
            assert fleet.workload.mode is Mode.AUTO
            assert observed.replicas is not None
            assert decision.reason not in STANDS_DOWN


@given(fleets())
def test_all_conditions_are_judged_with_a_reason_and_a_sentence(fleet: Fleet) -> None:
    conditions = decide(fleet).conditions
    assert [condition.type for condition in conditions] == TYPES
    assert all(condition.status in {"True", "False", "Unknown"} for condition in conditions)
    assert all(condition.reason in set(Reason) and condition.message.endswith(".") for condition in conditions)


@given(fleets())
def test_the_same_input_gives_the_same_answer(fleet: Fleet) -> None:
    assert decide(fleet) == decide(fleet)


@given(fleets())
def test_no_number_that_is_shown_is_odd(fleet: Fleet) -> None:
    outlook = decide(fleet).outlook
    numbers = [getattr(outlook, name) for name in outlook.__slots__]
    assert all(math.isfinite(number) for number in numbers if isinstance(number, float))


@settings(max_examples=30)
@given(fleets(), st.integers(2, 6))
def test_an_unchanged_decision_keeps_its_identity(fleet: Fleet, cycles: int) -> None:
    """Nothing is written while nothing is decided anew."""
    memory, decisions = fleet.memory, []
    for cycle in range(cycles):
        snapshot = replace(fleet.snapshot, now=NOW + 15 * cycle)
        result = run_cycle(snapshot, {fleet.workload.key: fleet.forecast}, memory)
        memory = result.memory
        decisions.append(result.decisions[fleet.workload.key])
    for before, after in itertools.pairwise(decisions):
        said = [(d.current, d.desired, _without_weights(d), d.reason, gist(d.message)) for d in (before, after)]
        assert (before.id == after.id) == (said[0] == said[1])


def _without_weights(decision: Decision) -> list[VariantDecision]:
    """Weights and capacities waver with what is learned, as other numbers do, and are no decision of their own."""
    return [replace(variant, weight=None, capacity=None) for variant in decision.variants]


@given(fleets())
def test_a_missing_forecast_is_an_unknown_one(fleet: Fleet) -> None:
    without = run_cycle(fleet.snapshot, {}, fleet.memory).decisions[fleet.workload.key]
    unknown = replace(fleet, forecast=Unknown("ForecastUnknown", "none was made for it yet"))
    assert without == decide(unknown)
