from __future__ import annotations

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Rival
from foresail.domain.workload import Behavior, Override, Schedule
from foresail.policies.scaling.guards import GUARDS, apply_guards
from tests.builders import NOW, make_observation, make_variant, make_variant_observation, make_workload
from tests.unit.policies.cases import make_case, make_rules


def test_the_guards_come_in_this_order() -> None:
    """Restraints, then a person's commands; the spec's bounds have the last word, unless we may not speak at all."""
    assert [guard.__name__ for guard in GUARDS] == [
        "fall_back",
        "hold_on_unknown",
        "check_consolidation",
        "ignore_small_changes",
        "wait_after_break",
        "stabilize",
        "hold_stuck",
        "limit_steps",
        "yield_gpus",
        "keep_schedule",
        "obey_override",
        "keep_bounds",
        "stand_down",
    ]


def test_a_proposal_that_nothing_speaks_against_leaves_no_step() -> None:
    assert apply_guards(make_case(), (7,)) == ((7,), ())


def test_a_person_is_not_held_back_by_behavior() -> None:
    slow = Behavior(scale_up=make_rules(("Pods", 1, 60)))
    workload = make_workload(behavior=slow, schedules=(Schedule("noon", "11:00", "14:00", "UTC", 9),))
    counts, steps = apply_guards(make_case(make_observation(workload)), (12,))
    assert counts == (9,)
    assert [(step.rule, step.before, step.after) for step in steps] == [
        ("limit_steps", 12, 6),
        ("keep_schedule", 6, 9),
    ]


def test_the_bounds_limit_a_person_too() -> None:
    workload = make_workload(override=Override(50, NOW + 600, ""))
    counts, steps = apply_guards(make_case(make_observation(workload)), (5,))
    assert counts == (20,)
    assert steps[-1].reason == Reason.MAX_REPLICAS
    assert steps[-1].message == "Held to 20: maxReplicas of h100 is 20."


def test_standing_down_is_said_though_it_changes_nothing() -> None:
    rival = Rival("ScaledObject", "chat", "")
    observation = make_observation(variants=[make_variant_observation(rivals=(rival,))])
    counts, steps = apply_guards(make_case(observation), (5,))
    assert counts == (5,)
    assert steps[-1].message == "Kept at 5: ScaledObject chat sets them too; remove one of the two."


def test_steps_name_the_variants_where_there_are_several() -> None:
    workload = make_workload(
        variants=(make_variant("h100"), make_variant("a100")), behavior=Behavior(scale_up=make_rules(("Pods", 1, 60)))
    )
    _, steps = apply_guards(make_case(make_observation(workload)), (9, 5))
    assert steps[0].message == "Held to 11 (h100 6, a100 5): at most 1 replica is added at once."
