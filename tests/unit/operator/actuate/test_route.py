"""The change to a route, by known answers and by what holds for every route."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.operator.actuate.route import plan_weights
from tests.unit.operator.actuate.routes import make_ref, make_route, weights_of

SEVENTY: Mapping[str, float] = {"a": 0.7, "b": 0.3}


def changed(route: dict[str, Any], shares: Mapping[str, float], rule: str | None = None) -> list[list[int | None]]:
    """Weights after the plan was carried out, the tests of its patch included."""
    route = copy.deepcopy(route)
    for operation in plan_weights(route, shares, rule).patch:
        *parents, last = operation["path"].removeprefix("/").split("/")
        place: Any = route
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if operation["op"] == "add":
            place[last] = operation["value"]
        else:
            assert place[last] == operation["value"]
    return weights_of(route)


def test_services_alone_in_a_rule_get_parts_of_a_hundred() -> None:
    assert changed(make_route([make_ref("a"), make_ref("b")]), SEVENTY) == [[70, 30]]
    assert changed(make_route([make_ref("a", 5), make_ref("b", 5)]), SEVENTY) == [[70, 30]]


def test_others_keep_their_weight_and_their_share() -> None:
    route = make_route([make_ref("a", 100), make_ref("canary", 50), make_ref("b", 100)])
    assert changed(route, SEVENTY) == [[140, 50, 60]]


@pytest.mark.parametrize(
    "other",
    [
        make_ref("b", 100, group="multicluster.x-k8s.io", kind="ServiceImport"),
        make_ref("b", 100, namespace="elsewhere"),
        make_ref("c", 100),
    ],
    ids=["kind", "namespace", "name"],
)
def test_what_is_no_service_of_ours_is_somebody_elses(other: dict[str, Any]) -> None:
    route = make_route([make_ref("a", 30), other, make_ref("b", 30, namespace="prod")])
    assert changed(route, SEVENTY) == [[42, 100, 18]]


def test_a_variant_of_unknown_share_counts_as_somebody_elses() -> None:
    route = make_route([make_ref("a", 40), make_ref("unknown", 20), make_ref("b", 40)])
    assert changed(route, SEVENTY) == [[56, 20, 24]]


def test_only_the_named_rule_is_changed() -> None:
    route = make_route([make_ref("a", 1), make_ref("b", 1)], [make_ref("a", 1), make_ref("b", 1)], names=("x", "y"))
    assert changed(route, SEVENTY, "y") == [[1, 1], [70, 30]]
    assert changed(route, SEVENTY) == [[70, 30], [70, 30]]


def test_a_service_with_two_ports_shares_its_share() -> None:
    route = make_route([make_ref("a"), make_ref("a", port=9000), make_ref("b")])
    assert changed(route, {"a": 0.6, "b": 0.4}) == [[30, 30, 40]]


def test_a_rule_of_only_some_of_them_is_divided_among_these() -> None:
    route = make_route([make_ref("a"), make_ref("b")], [make_ref("b"), make_ref("c")])
    assert changed(route, {"a": 0.5, "b": 0.3, "c": 0.2}) == [[63, 37], [60, 40]]


@pytest.mark.parametrize(
    ("share", "weights"), [(0.515, [50, 50]), (0.52, [52, 48]), (0.485, [50, 50]), (0.48, [48, 52])]
)
def test_less_than_two_points_are_not_written(share: float, weights: list[int]) -> None:
    route = make_route([make_ref("a", 50), make_ref("b", 50)])
    assert changed(route, {"a": share, "b": 1 - share}) == [weights]


def test_equal_shares_in_other_numbers_are_equal() -> None:
    assert plan_weights(make_route([make_ref("a", 1), make_ref("b", 1)]), {"a": 0.5, "b": 0.5}, None).patch == ()


def test_a_variant_that_begins_or_ceases_to_serve_is_written_at_once() -> None:
    assert changed(make_route([make_ref("a", 99), make_ref("b", 1)]), {"a": 1.0, "b": 0.0}) == [[100, 0]]
    assert changed(make_route([make_ref("a", 100), make_ref("b", 0)]), {"a": 0.99, "b": 0.01}) == [[99, 1]]


def test_a_share_that_wavers_around_half_a_weight_is_not_written_to_and_fro() -> None:
    small = make_route([make_ref("a", 1), make_ref("other", 7), make_ref("b", 1)])
    for share in (0.2, 0.3):  # 0.4 and 0.6 of the two weights
        assert plan_weights(small, {"a": share, "b": 1 - share}, None).patch == ()
    tiny = make_route([make_ref("a", 1), make_ref("b", 99)])
    assert plan_weights(tiny, {"a": 0.004, "b": 0.996}, None).patch == ()


def test_where_nothing_of_ours_is_ready_everything_stays() -> None:
    route = make_route([make_ref("a", 50), make_ref("other", 50)], [make_ref("a", 50), make_ref("b", 50)])
    assert changed(route, {"a": 0.0, "b": 1.0}) == [[50, 50], [0, 100]]


def test_what_somebody_set_to_zero_stays_zero_and_is_said_where_nobody_else_serves() -> None:
    drained = plan_weights(make_route([make_ref("a", 0), make_ref("other", 9), make_ref("b", 0)]), SEVENTY, None)
    assert (drained.patch, drained.problem) == ((), "")
    dead = plan_weights(make_route([make_ref("a", 0), make_ref("b", 0)]), SEVENTY, None)
    assert (dead.patch, dead.problem) == ((), "has a rule whose weights are all 0")


@pytest.mark.parametrize(
    ("route", "rule", "problem"),
    [
        (make_route(), None, "has no rule"),
        (make_route([make_ref("a"), make_ref("b")]), "x", "has no rule named x"),
        (make_route([make_ref("a", 3)]), None, "has no backendRef of kind Service named b"),
        (make_route([]), None, "has no backendRef of kind Service named a or b"),
        ({"metadata": {"namespace": "prod"}, "spec": {}}, None, "has no rule"),
        (make_route([make_ref("a"), make_ref("b")]), None, ""),
    ],
)
def test_what_a_route_lacks_is_said(route: dict[str, Any], rule: str | None, problem: str) -> None:
    assert plan_weights(route, SEVENTY, rule).problem == problem


def test_a_missing_service_does_not_keep_the_others_from_being_shared() -> None:
    route = make_route([make_ref("a"), make_ref("b")])
    assert changed(route, {"a": 0.4, "b": 0.2, "c": 0.4}) == [[67, 33]]
    assert plan_weights(route, {"a": 0.4, "b": 0.2, "c": 0.4}, None).problem.endswith("named c")


def test_the_patch_is_of_the_route_that_was_read_and_names_each_service() -> None:
    plan = plan_weights(make_route([make_ref("x"), make_ref("a", 70), make_ref("b", 70)]), SEVENTY, None)
    assert plan.patch == (
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "test", "path": "/spec/rules/0/backendRefs/1/name", "value": "a"},
        {"op": "add", "path": "/spec/rules/0/backendRefs/1/weight", "value": 98},
        {"op": "test", "path": "/spec/rules/0/backendRefs/2/name", "value": "b"},
        {"op": "add", "path": "/spec/rules/0/backendRefs/2/weight", "value": 42},
    )
    assert plan.changes == ("a 70 → 98", "b 70 → 42")


refs = st.builds(make_ref, st.sampled_from("abcxy"), st.none() | st.integers(0, 300))
routes = st.lists(st.lists(refs, max_size=5), max_size=3).map(lambda rules: make_route(*rules))
some_shares = st.dictionaries(st.sampled_from("abc"), st.just(0.0) | st.floats(1e-3, 1.0), min_size=1)


@given(route=routes, shares=some_shares)
def test_whatever_the_route_sums_stay_others_stay_and_a_second_look_changes_nothing(
    route: dict[str, Any], shares: dict[str, float]
) -> None:
    after = copy.deepcopy(route)
    for rule, weights in zip(after["spec"]["rules"], changed(route, shares), strict=True):
        for ref, weight in zip(rule["backendRefs"], weights, strict=True):
            ref.update({} if weight is None else {"weight": weight})
    for before, rule in zip(route["spec"]["rules"], after["spec"]["rules"], strict=True):
        pairs = list(zip(before["backendRefs"], rule["backendRefs"], strict=True))
        others = [(old, new) for old, new in pairs if old["name"] not in shares]
        ours = [(old.get("weight", 1), new.get("weight", 1)) for old, new in pairs if old["name"] in shares]
        assert all(old == new for old, new in others)
        old_sum, new_sum = (sum(column) for column in zip(*ours, strict=True)) if ours else (0, 0)
        assert new_sum == old_sum or (not others and new_sum == 100)
        assert (new_sum > 0) == (old_sum > 0)
    assert plan_weights(after, shares, None).patch == ()
