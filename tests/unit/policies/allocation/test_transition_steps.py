from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.transitions.answer import counts_of
from foresail.policies.allocation.transitions.ledger import Key, Running
from foresail.policies.allocation.transitions.steps import Step, next_step
from tests.unit.policies.allocation.allocation_cases import fleets
from tests.unit.policies.allocation.transition_cases import Cluster, counts_within, unserved

laws = settings(max_examples=60, deadline=None)
ROUNDS = 400


def variant(name: str, accelerator: str, gpus: int = 1, *, rps: float = 1.0, usd: float = 1.0) -> Candidate:
    return Candidate(name, accelerator, gpus, usd, np.array([[rps]]))


def model(name: str, rps: float, *candidates: Candidate, priority: int = 0) -> ModelDemand:
    return ModelDemand(name, np.array([[rps]]), candidates, 0.01, priority)


def ready(**counts: int) -> dict[Key, Running]:
    return {("chat", name): Running(count, count) for name, count in counts.items()}


def all_of(most: int) -> int:
    return most


def one_of(most: int) -> int:
    return min(most, 1)


CHAT = model("chat", 2.0, variant("old", "A"), variant("new", "B"))


def test_the_old_stop_only_when_the_new_are_ready() -> None:
    problem, target = AllocationProblem((CHAT,), {"A": 4, "B": 4}), {("chat", "new"): 2}

    first = next_step(problem, target, ready(old=2))
    assert first.replicas == {("chat", "old"): 2, ("chat", "new"): 2}
    assert [one.reason for one in first.changes] == ["Start 2 of chat/new: the plan wants 2, and GPUs of B are free."]

    half = ready(old=2) | {("chat", "new"): Running(2, 1)}
    second = next_step(problem, target, half)
    assert second.replicas == {("chat", "old"): 1, ("chat", "new"): 2}  # 1 old + 1 new serve 2 rps
    assert "1 of chat/new are starting." in second.waits

    third = next_step(problem, target, ready(old=1, new=2))
    assert third.replicas == {("chat", "old"): 0, ("chat", "new"): 2}
    assert third.changes[0].reason == "Stop 1 of chat/old: those that stay ready serve as much as the plan does."
    assert next_step(problem, target, ready(new=2)) == Step(
        {("chat", "old"): 0, ("chat", "new"): 2}, (), (), arrived=True
    )


def test_no_more_changes_than_allowed() -> None:
    problem, target = AllocationProblem((CHAT,), {"A": 4, "B": 4}), {("chat", "new"): 3}
    assert next_step(problem, target, ready(old=2), most_changes=1).replicas["chat", "new"] == 1
    assert next_step(problem, target, ready(old=2), most_changes=9).replicas["chat", "new"] == 3


def test_where_the_old_hold_the_gpus_one_stops_first_and_it_is_said_what_that_costs() -> None:
    chat = model("chat", 2.0, variant("old", "A"), variant("new", "A", 1, rps=2.0))
    problem, target = AllocationProblem((chat,), {"A": 2}), {("chat", "new"): 1}

    step = next_step(problem, target, ready(old=2))
    assert step.replicas == {("chat", "old"): 1, ("chat", "new"): 0}
    assert step.changes[0].reason == (
        "Stop 1 of chat/old: chat/new of priority 0 needs 1 GPUs of A, 0 are free, so it has to stop first; "
        "1 rps of chat go unserved until its replacement is ready."
    )
    leaving = {("chat", "old"): Running(1, 1, 1)}
    assert next_step(problem, target, leaving).changes == ()  # the GPU is not free yet
    assert next_step(problem, target, ready(old=1)).replicas == {("chat", "old"): 1, ("chat", "new"): 1}


def test_a_greater_priority_takes_gpus_from_a_lesser_one_which_stops_first() -> None:
    chat = model("chat", 2.0, variant("a", "A"), priority=100)
    batch = model("batch", 2.0, variant("a", "A"), variant("b", "B"))
    problem = AllocationProblem((batch, chat), {"A": 2, "B": 2})
    running = {("batch", "a"): Running(2, 2)}
    target = {("chat", "a"): 2, ("batch", "b"): 2}

    first = next_step(problem, target, running)
    assert first.replicas == {("batch", "a"): 0, ("batch", "b"): 2, ("chat", "a"): 0}
    assert "chat/a of priority 100 needs 1 GPUs of A, 0 are free" in first.changes[-1].reason
    gone = {("batch", "a"): Running(0, 0), ("batch", "b"): Running(2, 0)}
    assert next_step(problem, target, gone).replicas["chat", "a"] == 2


def test_an_equal_priority_is_not_robbed_while_its_replacement_starts() -> None:
    chat = model("chat", 2.0, variant("a", "A"))
    batch = model("batch", 2.0, variant("a", "A"), variant("b", "B"))
    problem = AllocationProblem((batch, chat), {"A": 2, "B": 2})
    running = {("batch", "a"): Running(2, 2)}
    step = next_step(problem, {("chat", "a"): 2, ("batch", "b"): 2}, running)
    assert step.replicas == {("batch", "a"): 2, ("batch", "b"): 2, ("chat", "a"): 0}


def test_of_what_stands_in_the_way_the_least_priority_stops_first() -> None:
    models = [
        model(name, 1.0, variant("a", "A"), variant("b", "B"), priority=priority)
        for name, priority in (("x", 5), ("y", 1), ("z", 9))
    ]
    problem = AllocationProblem(tuple(models), {"A": 3, "B": 3})
    ring = {(name, own): Running(1, 1) for name, own in (("x", "a"), ("y", "a"), ("z", "b"))}
    full = AllocationProblem(tuple(models), {"A": 2, "B": 1})
    step = next_step(full, {("x", "b"): 1, ("y", "a"): 1, ("z", "a"): 1}, ring)
    assert step.replicas["x", "a"] == 0  # y stays by plan: of x and z, which trade places, z gets its GPU first
    assert step.replicas["z", "b"] == 1
    assert next_step(problem, {("x", "b"): 1, ("y", "a"): 1, ("z", "a"): 1}, ring).replicas["x", "a"] == 1


def test_gpus_that_are_gone_are_given_up_by_the_least_important_first_whatever_the_limit() -> None:
    chat = model("chat", 2.0, variant("a", "A"), priority=100)
    batch = model("batch", 3.0, variant("a", "A"))
    problem = AllocationProblem((chat, batch), {"A": 3})
    running = {("chat", "a"): Running(2, 2), ("batch", "a"): Running(3, 3)}

    step = next_step(problem, {("chat", "a"): 2, ("batch", "a"): 1}, running, most_changes=1)
    assert step.replicas == {("chat", "a"): 2, ("batch", "a"): 1}
    assert step.changes[0].reason.startswith("Stop 2 of batch/a: A has 2 GPUs less than are asked for")
    stale = next_step(problem, {("chat", "a"): 2, ("batch", "a"): 3}, running)  # a plan from before the loss
    assert stale.replicas == {("chat", "a"): 2, ("batch", "a"): 1}


def test_a_plan_that_does_not_fit_is_waited_for_and_said() -> None:
    problem = AllocationProblem((CHAT,), {"A": 1, "B": 0})
    step = next_step(problem, {("chat", "old"): 1, ("chat", "new"): 2}, ready(old=1))
    assert (step.changes, step.arrived) == ((), False)
    assert step.waits == ("2 of chat/new wait for 1 GPUs of B each, 0 are free.",)


def test_a_start_that_nobody_wants_any_more_is_cancelled() -> None:
    problem = AllocationProblem((CHAT,), {"A": 4, "B": 4})
    step = next_step(problem, {("chat", "old"): 2}, ready(old=2) | {("chat", "new"): Running(2, 0)})
    assert step.replicas == {("chat", "old"): 2, ("chat", "new"): 0}
    assert "still starting" in step.changes[0].reason


def test_the_gpu_of_a_start_that_was_cancelled_is_not_free_in_the_same_step() -> None:
    chat = model("chat", 2.0, variant("old", "A"), variant("new", "A"))
    problem = AllocationProblem((chat,), {"A": 1})
    step = next_step(problem, {("chat", "new"): 1}, {("chat", "old"): Running(1, 0)})
    assert step.replicas == {("chat", "old"): 0, ("chat", "new"): 0}
    gone = {("chat", "old"): Running(0, 0)}
    assert next_step(problem, {("chat", "new"): 1}, gone).replicas["chat", "new"] == 1


@laws
@given(st.data(), fleets(switching=False), st.sampled_from((None, 1, 2)))
def test_steps_end_at_any_plan_that_fits_and_never_hold_more_gpus_than_there_are(
    data: st.DataObject, problem: AllocationProblem, most_changes: int | None
) -> None:
    start, target = data.draw(counts_within(problem)), data.draw(counts_within(problem))
    begin = {key: Running(count, data.draw(st.integers(0, count))) for key, count in start.items()}
    cluster = Cluster(problem, begin)
    for _ in range(ROUNDS):
        step = next_step(problem, target, cluster.running, most_changes=most_changes)
        if step.arrived:
            break
        assert step.changes or not cluster.settled()
        assert most_changes is None or sum(abs(one.after - one.before) for one in step.changes) <= most_changes
        cluster.take(step)
        assert all(held <= problem.gpus.get(name, held) for name, held in cluster.gpus().items())
        cluster.pass_time(all_of if data.draw(st.booleans()) else one_of)
    assert {key: own.current for key, own in cluster.running.items() if own.current} == {
        key: count for key, count in target.items() if count
    }


@laws
@given(st.data(), fleets(switching=False, must_serve=False))
def test_while_steps_are_taken_no_model_serves_less_than_before_or_than_planned_unless_it_is_said(
    data: st.DataObject, problem: AllocationProblem
) -> None:
    start = data.draw(counts_within(problem))
    target = counts_of(problem, allocate(problem))
    at_target = unserved(problem, target)
    cluster = Cluster(problem, {key: Running(count, count) for key, count in start.items()})
    for _ in range(ROUNDS):
        before = cluster.unserved()
        step = next_step(problem, target, cluster.running)
        if step.arrived:
            break
        said = {one.key[0] for one in step.changes if "has to stop first" in one.reason}
        cluster.take(step)
        for name, left in cluster.unserved().items():
            rounding = 2e-5 * max(float(own.demand_rps.sum()) for own in problem.models)
            assert name in said or left <= max(before[name], at_target[name]) + rounding
        cluster.pass_time(all_of)


@laws
@given(st.data(), fleets(switching=False))
def test_a_stock_that_shrank_is_kept_by_what_is_asked_for_and_the_important_stop_last(
    data: st.DataObject, problem: AllocationProblem
) -> None:
    start, target = data.draw(counts_within(problem)), data.draw(counts_within(problem))
    gpus = {name: data.draw(st.integers(0, count)) for name, count in problem.gpus.items()}
    shrunk = replace(problem, gpus=gpus)
    step = next_step(shrunk, target, {key: Running(count, count) for key, count in start.items()}, most_changes=1)
    for name, count in gpus.items():
        users = [(own, one) for own in problem.models for one in own.candidates if one.accelerator == name]
        asked = sum(step.replicas[own.name, one.name] * one.gpus_per_replica for own, one in users)
        assert asked <= count or asked == 0
        for own, one in users:
            key = own.name, one.name
            robbed = step.replicas[key] < min(start[key], target.get(key, 0))
            lesser = [(a.name, b.name) for a, b in users if a.priority < own.priority]
            assert not robbed or all(step.replicas[other] == 0 for other in lesser)


@pytest.mark.parametrize("price", [0.5, 5.0])
def test_a_price_that_changed_is_one_more_plan_to_go_to(price: float) -> None:
    chat = model("chat", 2.0, variant("old", "A", usd=1.0), variant("new", "B", usd=price))
    problem = AllocationProblem((chat,), {"A": 2, "B": 2})
    target = counts_of(problem, allocate(problem))
    moves = next_step(problem, target, ready(old=2)).changes
    assert bool(moves) == (price < 1.0)
