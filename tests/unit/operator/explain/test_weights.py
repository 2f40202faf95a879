"""Routing weights in status: whole, complete, and no reason to write while they only waver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from foresail.domain.decision import Decision, VariantDecision
from foresail.domain.workload import Role
from foresail.operator.explain.notices import notices
from foresail.operator.explain.status import build_status
from foresail.operator.explain.weights import weights_of
from tests.builders import NOW, make_variant, make_workload
from tests.unit.operator.explain.statuses import lost, make_decision, make_object, status_of


def weighed(weights: Mapping[str, float | None], **changes: Any) -> Decision:
    """A decision in which each variant has 5 replicas and this weight."""
    variants = tuple(VariantDecision(name, 5, 5, 5, acts=True, weight=weight) for name, weight in weights.items())
    return make_decision(variants=variants, **changes)


def percents(status: Mapping[str, Any]) -> dict[str, int | None]:
    return {entry["name"]: entry.get("weightPercent") for entry in status["variants"]}


def test_weights_are_whole_and_sum_to_a_hundred() -> None:
    status = status_of(weighed({"h100": 2 / 3, "a100": 1 / 6, "l40s": 1 / 6}))
    assert percents(status) == {"h100": 67, "a100": 17, "l40s": 16}


def test_each_role_sums_to_a_hundred() -> None:
    roles = {"p1": Role.PREFILL, "p2": Role.PREFILL, "d1": Role.DECODE}
    workload = make_workload(variants=tuple(make_variant(name, role=role) for name, role in roles.items()))
    decision = weighed({"p1": 0.5, "p2": 0.5, "d1": 1.0})
    assert weights_of(decision, workload) == {"p1": 50, "p2": 50, "d1": 100}


def test_what_is_unknown_is_absent_and_a_variant_that_serves_nothing_has_zero() -> None:
    assert percents(status_of(weighed({"h100": 1.0, "a100": 0.0, "l40s": None}))) == {
        "h100": 100,
        "a100": 0,
        "l40s": None,
    }
    assert percents(status_of(weighed({"h100": None}))) == {"h100": None}


def test_a_weight_that_wavers_by_a_point_is_no_news() -> None:
    first = status_of(weighed({"h100": 0.70, "l40s": 0.30}))
    near = weighed({"h100": 0.71, "l40s": 0.29}, identity="of another process")
    assert status_of(near, first, now=NOW + 15) == first


def test_a_weight_that_moved_by_two_points_is_written_and_told_to_nobody() -> None:
    first = status_of(weighed({"h100": 0.70, "l40s": 0.30}))
    far = status_of(weighed({"h100": 0.72, "l40s": 0.28}), first, now=NOW + 15)
    assert percents(far) == {"h100": 72, "l40s": 28}
    assert far == first | {"variants": far["variants"]}
    assert list(notices(first, far)) == []


def test_points_add_up_until_they_are_news() -> None:
    first = status_of(weighed({"h100": 0.70, "l40s": 0.30}))
    second = status_of(weighed({"h100": 0.71, "l40s": 0.29}), first)
    assert percents(status_of(weighed({"h100": 0.72, "l40s": 0.28}), second)) == {"h100": 72, "l40s": 28}


def test_other_news_take_the_weights_along() -> None:
    first = status_of(weighed({"h100": 0.70, "l40s": 0.30}))
    assert percents(status_of(weighed({"h100": 0.71, "l40s": 0.29}, desired=8, identity="d2"), first)) == {
        "h100": 71,
        "l40s": 29,
    }


def test_a_weight_that_becomes_known_or_unknown_is_news() -> None:
    unknown = status_of(weighed({"h100": None, "l40s": None}))
    known = status_of(weighed({"h100": 0.7, "l40s": 0.3}), unknown)
    assert percents(known) == {"h100": 70, "l40s": 30}
    assert status_of(weighed({"h100": None, "l40s": None}), known) == unknown


def test_a_variant_whose_target_is_lost_keeps_its_numbers_and_no_weight() -> None:
    first = status_of(weighed({"h100": 0.7, "l40s": 0.3}))
    alone = replace(weighed({"h100": 1.0}).variants[0])
    status = status_of(make_decision(variants=(alone, lost("l40s"))), first)
    assert percents(status) == {"h100": 100, "l40s": None}
    assert status["variants"][1]["readyReplicas"] == 5


def test_without_a_decision_weights_stay_as_they_are() -> None:
    first = status_of(weighed({"h100": 0.7, "l40s": 0.3}))
    assert build_status(make_object(first), None, (), base=first, now=NOW) == first
