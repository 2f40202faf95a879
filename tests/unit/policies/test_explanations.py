"""Golden explanations, word for word: the sentence is part of the contract.

After a wanted change of words: `python -m tests.unit.policies.test_explanations` writes them anew; read the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from foresail.domain.decision import Decision
from foresail.domain.memory import Memory, WorkloadMemory
from foresail.domain.snapshot import Rival, Unknown
from foresail.domain.workload import Behavior, Fallback, FallbackPolicy, Mode, Override, Schedule, WorkloadKey
from tests.builders import (
    NOW,
    make_accelerator,
    make_forecast,
    make_memory,
    make_observation,
    make_pool,
    make_replicas,
    make_variant,
    make_variant_observation,
    make_workload,
)
from tests.unit.policies.cases import decide_one, make_rules

FOLDER = Path(__file__).resolve().parents[2] / "data" / "explanations"
NAME = "chat-8b"
DOWN = Unknown("PrometheusUnreachable", "Prometheus did not answer; check prometheus_url and the network.")


def a_ramp_is_met_at_most_two_at_a_time() -> Decision:
    workload = make_workload(NAME, behavior=Behavior(scale_up=make_rules(("Pods", 2, 60))))
    return decide_one(make_observation(workload), forecast=make_forecast(38, spread=0.21))


def in_advisory_it_says_what_it_would_do() -> Decision:
    workload = make_workload(NAME, mode=Mode.ADVISORY)
    return decide_one(make_observation(workload), forecast=make_forecast(38, spread=0.21))


def a_quiet_fleet_stays() -> Decision:
    return decide_one(make_observation(make_workload(NAME)), forecast=make_forecast(24))


def without_a_price_no_money_is_named() -> Decision:
    unpriced = make_accelerator(usd_per_gpu_hour=None)
    return decide_one(make_observation(make_workload(NAME)), forecast=make_forecast(24), accelerators=[unpriced])


def a_step_down_waits_for_the_window() -> Decision:
    workload = make_workload(NAME)
    memory = make_memory(workload, target_uids={})
    return decide_one(make_observation(workload, replicas=9), forecast=make_forecast(24), memory=memory)


def unknown_metrics_hold() -> Decision:
    return decide_one(make_observation(make_workload(NAME), demand=DOWN))


def a_fallback_raises_when_metrics_stay_away() -> Decision:
    workload = make_workload(NAME, fallback=Fallback(policy=FallbackPolicy.STATIC, replicas=8))
    memory = Memory({workload.key: WorkloadMemory(uid=workload.uid, unknown_since=NOW - 240)})
    return decide_one(make_observation(workload, demand=DOWN), memory=memory)


def an_unknown_capacity_says_how_to_mend_it() -> Decision:
    return decide_one(make_observation(make_workload(NAME)), accelerators=[make_accelerator(rps=None)])


def a_pool_runs_out_and_another_variant_takes_over() -> Decision:
    workload = make_workload(NAME, variants=(make_variant("h100"), make_variant("a100", min_replicas=0)))
    observed = [make_variant_observation("h100", 5), make_variant_observation("a100", 0)]
    return decide_one(
        make_observation(workload, variants=observed),
        forecast=make_forecast(54),
        accelerators=[make_accelerator("h100"), make_accelerator("a100", rps=3, usd_per_gpu_hour="2.5")],
        pools=[make_pool("h100", free=2), make_pool("a100")],
    )


def an_override_and_its_reason() -> Decision:
    workload = make_workload(NAME, override=Override(8, NOW + 1800, "launch"))
    return decide_one(make_observation(workload))


def an_override_beyond_the_bounds() -> Decision:
    workload = make_workload(NAME, override=Override(50, NOW + 1800, "launch"))
    return decide_one(make_observation(workload))


def mode_off_decides_nothing() -> Decision:
    return decide_one(make_observation(make_workload(NAME, mode=Mode.OFF)))


def a_missing_target_leaves_it_as_it_is() -> Decision:
    return decide_one(make_observation(make_workload(NAME), replicas=None))


def one_of_two_targets_is_missing() -> Decision:
    workload = make_workload(NAME, variants=(make_variant("h100"), make_variant("a100")))
    observed = [make_variant_observation("h100", 5), make_variant_observation("a100", None)]
    return decide_one(make_observation(workload, variants=observed))


def another_autoscaler_makes_us_stand_down() -> Decision:
    rival = Rival("HorizontalPodAutoscaler", "chat-hpa", "")
    observed = make_variant_observation(rivals=(rival,))
    return decide_one(make_observation(make_workload(NAME), variants=[observed]), forecast=make_forecast(54))


def stuck_replicas_are_said() -> Decision:
    ages = (3600.0, 3500.0)
    replicas = make_replicas(7, ready=5, pending=2, pending_seconds=ages, pending_message="0/9 nodes available")
    return decide_one(make_observation(make_workload(NAME), replicas=replicas), forecast=make_forecast(54))


def a_schedule_raises_before_the_day_begins() -> Decision:
    workload = make_workload(NAME, schedules=(Schedule("morning", "07:30", "19:00", "Europe/Berlin", 9),))
    return decide_one(make_observation(workload))


def nothing_arrives_and_the_minimum_stays() -> Decision:
    workload = make_workload(NAME)
    return decide_one(make_observation(workload, replicas=1, demand=0), forecast=make_forecast(0))


CASES: Mapping[str, Callable[[], Decision]] = {
    case.__name__: case
    for case in (
        a_ramp_is_met_at_most_two_at_a_time,
        in_advisory_it_says_what_it_would_do,
        a_quiet_fleet_stays,
        without_a_price_no_money_is_named,
        a_step_down_waits_for_the_window,
        unknown_metrics_hold,
        a_fallback_raises_when_metrics_stay_away,
        an_unknown_capacity_says_how_to_mend_it,
        a_pool_runs_out_and_another_variant_takes_over,
        an_override_and_its_reason,
        an_override_beyond_the_bounds,
        mode_off_decides_nothing,
        a_missing_target_leaves_it_as_it_is,
        one_of_two_targets_is_missing,
        another_autoscaler_makes_us_stand_down,
        stuck_replicas_are_said,
        a_schedule_raises_before_the_day_begins,
        nothing_arrives_and_the_minimum_stays,
    )
}


def explain(decision: Decision) -> str:
    """The reason, the sentence, and each step below."""
    steps = "".join(
        f"  {step.rule}: {step.before} -> {step.after} {step.reason}: {step.message}\n" for step in decision.steps
    )
    return f"{decision.reason}\n{decision.message}\n{steps}"


@pytest.mark.parametrize("name", CASES)
def test_the_explanation_is_the_golden_one_word_for_word(name: str) -> None:
    golden = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert explain(CASES[name]()) == golden


def test_every_golden_explanation_has_its_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(CASES)


def test_the_sentence_names_the_workload() -> None:
    key = WorkloadKey("prod", NAME)
    assert all(case().message.startswith(str(key)) for case in CASES.values())


def write_golden_explanations() -> None:
    """Write all of them anew."""
    for name, case in CASES.items():
        (FOLDER / f"{name}.txt").write_text(explain(case()), encoding="utf-8")


if __name__ == "__main__":
    write_golden_explanations()
