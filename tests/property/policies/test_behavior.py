from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from foresail.domain.memory import Change, Recommendation
from foresail.domain.workload import Behavior, ScalingPolicy, ScalingPolicyType, ScalingRules, SelectPolicy
from foresail.policies.scaling.stabilization import limit_change, stabilize_count
from tests.builders import NOW
from tests.property.policies.hpa import ReferenceHpa

LEAST, MOST = 1, 40

policies = st.fixed_dictionaries(
    {"type": st.sampled_from(["Pods", "Percent"]), "value": st.integers(1, 200), "period": st.integers(1, 120)}
)
rules = st.fixed_dictionaries(
    {
        "window": st.sampled_from([0, 15, 60, 300]),
        "select": st.sampled_from(["Max", "Min", "Disabled"]),
        "policies": st.lists(policies, min_size=1, max_size=3),
    }
)
behaviors = st.fixed_dictionaries({"up": rules, "down": rules})


def to_rules(side: dict[str, Any]) -> ScalingRules:
    return ScalingRules(
        stabilization_window_seconds=side["window"],
        select_policy=SelectPolicy(side["select"]),
        policies=tuple(ScalingPolicy(ScalingPolicyType(p["type"]), p["value"], p["period"]) for p in side["policies"]),
    )


@given(behaviors, st.integers(LEAST, MOST), st.lists(st.tuples(st.integers(1, 40), st.integers(1, 60)), max_size=25))
def test_every_step_of_a_run_is_the_hpas(behavior: dict[str, Any], current: int, run: list[tuple[int, int]]) -> None:
    """Differential: the same raw recommendations at the same instants give the same counts, step for step."""
    ours = Behavior(to_rules(behavior["up"]), to_rules(behavior["down"]))
    reference = ReferenceHpa(behavior, least=LEAST, most=MOST)
    recommendations = [Recommendation(NOW, "h100", current)]
    changes: list[Change] = []
    now = NOW
    for raw, seconds in run:
        stable = stabilize_count(raw, current, recommendations, ours, now=now)
        desired = min(max(limit_change(stable, current, changes, ours, now=now), LEAST), MOST)
        assert desired == reference.step(now, current, raw)
        recommendations.append(Recommendation(now, "h100", raw))
        if desired != current:
            changes.append(Change(now, "h100", desired - current))
        current, now = desired, now + seconds


@given(behaviors, st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_limits_are_monotone_and_never_cross_the_current_count(
    behavior: dict[str, Any], current: int, low: int, high: int
) -> None:
    low, high = min(low, high), max(low, high)
    ours = Behavior(to_rules(behavior["up"]), to_rules(behavior["down"]))
    changes = [Change(NOW - 5, "h100", 3), Change(NOW - 1, "h100", -1)]
    limited = [limit_change(n, current, changes, ours, now=NOW) for n in (low, high)]
    assert limited[0] <= limited[1]
    assert all(min(n, current) <= m <= max(n, current) for n, m in zip((low, high), limited, strict=True))
