"""A law of succession: a leader that remembers nothing but reads its objects decides as the one before would."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from foresail.domain.decision import Decision
from foresail.domain.memory import CapacityBelief, Memory
from foresail.domain.snapshot import Known, WorkloadObservation
from foresail.domain.workload import Behavior, ScalingPolicy, ScalingPolicyType, ScalingRules, SelectPolicy
from foresail.operator.learned import parse_learned, to_learned
from foresail.policies.cycle import run_cycle
from foresail.policies.scaling.capacity import LEARNED, Work, fit_work
from foresail.policies.scaling.learning import start_belief
from tests.builders import (
    NOW,
    make_accelerator,
    make_demand,
    make_forecast,
    make_memory,
    make_observation,
    make_snapshot,
    make_variant,
    make_variant_observation,
    make_workload,
)

NAMES = ("h100", "a100")
# Nothing is stabilized or limited: those remember what was proposed and changed, which a new leader does not know.
AT_ONCE = ScalingRules(0, SelectPolicy.MAX, (ScalingPolicy(ScalingPolicyType.PERCENT, 100, 1),))


@st.composite
def observations(draw: st.DrawFn, names: tuple[str, ...]) -> WorkloadObservation:
    """Of a workload whose demand is known and whose replicas are all ready."""
    variants = tuple(make_variant(name, min_replicas=draw(st.integers(0, 2))) for name in names)
    workload = make_workload(variants=variants, behavior=Behavior(AT_ONCE, AT_ONCE))
    demand = draw(st.floats(0, 90))
    seen = [
        make_variant_observation(
            name,
            draw(st.integers(0, 15)),
            served=draw(st.none() | st.just(make_demand(demand / len(names)))),
            pressure=draw(st.none() | st.floats(0, 1.5)),
        )
        for name in names
    ]
    attainment = Known(draw(st.floats(0.9, 1)))
    return make_observation(workload, variants=seen, demand=demand, attainment=attainment)


def make_belief(work: Work, *, log_mean: float, log_variance: float, observations: int) -> CapacityBelief:
    return replace(start_belief(work), log_mean=log_mean, log_variance=log_variance, observations=observations)


@given(st.data(), st.integers(1, 2), st.booleans())
def test_a_new_leader_decides_as_the_old_one_would(data: st.DataObject, variants: int, known: bool) -> None:
    observation = data.draw(observations(NAMES[:variants]))
    key, forecast = observation.workload.key, make_forecast(data.draw(st.floats(0, 90)), spread=0.2, samples=20)
    profiles = [make_accelerator(name, rps=6.0 if known else None) for name in NAMES]
    work = fit_work(profiles[0].capacity) if known else Work(1 / 3, 1.0, LEARNED)
    usual = 0.0 if known else 8.0  # 3,000 tokens per second
    beliefs = {
        name: make_belief(
            work,
            log_mean=usual + data.draw(st.floats(-1, 1)),
            log_variance=data.draw(st.floats(0.05, 0.3)) ** 2,
            observations=data.draw(st.integers(0, 50)),
        )
        for name in NAMES[:variants]
    }
    log_feedback = data.draw(st.floats(-0.5, 0.8))

    def decide(seen: WorkloadObservation, memory: Memory, now: float) -> tuple[Decision, Memory]:
        fleet = make_snapshot(seen, now=now, accelerators=profiles)
        result = run_cycle(fleet, {key: forecast}, memory)
        return result.decisions[key], result.memory

    before, memory = decide(
        observation, make_memory(observation.workload, capacity=beliefs, log_feedback=log_feedback), NOW
    )
    assert before.learned is not None
    written = parse_learned(to_learned(before.learned))
    assert written is not None
    rounded = replace(
        memory.workloads[key],
        log_feedback=written.log_feedback,
        capacity={**memory.workloads[key].capacity, **written.capacity},
    )
    old, _ = decide(observation, Memory({key: rounded}), NOW + 15)
    new, _ = decide(replace(observation, learned=written), Memory(), NOW + 15)

    assert [(d.name, d.desired) for d in new.variants] == [(d.name, d.desired) for d in old.variants]
    assert [step.after for step in new.steps] == [step.after for step in old.steps]
    assert new.learned == old.learned
