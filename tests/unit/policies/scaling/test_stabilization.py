from __future__ import annotations

import pytest

from foresail.domain.memory import Change, Recommendation
from foresail.domain.workload import Behavior, ScalingRules
from foresail.policies.scaling.stabilization import limit_change, stabilize_count
from tests.builders import NOW
from tests.unit.policies.cases import make_rules


def recommended(*pairs: tuple[float, int]) -> list[Recommendation]:
    return [Recommendation(NOW - ago, "h100", count) for ago, count in pairs]


def behave(*, up: ScalingRules | None = None, down: ScalingRules | None = None) -> Behavior:
    default = Behavior()
    return Behavior(up or default.scale_up, down or default.scale_down)


def test_a_greater_proposal_within_the_window_holds_a_step_down_back() -> None:
    assert stabilize_count(3, 8, recommended((299, 6), (10, 4)), Behavior(), now=NOW) == 6


def test_a_proposal_as_old_as_the_window_no_longer_counts() -> None:
    assert stabilize_count(3, 8, recommended((300, 6)), Behavior(), now=NOW) == 3


def test_the_default_does_not_hold_a_step_up_back() -> None:
    assert stabilize_count(9, 5, recommended((10, 5)), Behavior(), now=NOW) == 9


def test_a_smaller_proposal_within_the_window_holds_a_step_up_back() -> None:
    behavior = behave(up=make_rules(("Pods", 9, 15), window=60))
    assert stabilize_count(9, 5, recommended((30, 6), (59, 7)), behavior, now=NOW) == 6


@pytest.mark.parametrize(("current", "limit"), [(0, 4), (1, 5), (4, 8), (10, 20)])
def test_the_default_adds_four_or_doubles_whichever_is_more(current: int, limit: int) -> None:
    assert limit_change(100, current, [], Behavior(), now=NOW) == limit


def test_per_cents_are_rounded_up_on_the_way_up_and_down_on_the_way_down() -> None:
    behavior = behave(up=make_rules(("Percent", 10, 60)), down=make_rules(("Percent", 10, 60)))
    assert limit_change(100, 5, [], behavior, now=NOW) == 6
    assert limit_change(0, 15, [], behavior, now=NOW) == 13  # 13.5


def test_what_was_added_within_the_period_is_used_up() -> None:
    behavior = behave(up=make_rules(("Pods", 2, 60)))
    assert limit_change(9, 7, [Change(NOW - 30, "h100", 2)], behavior, now=NOW) == 7
    assert limit_change(9, 7, [Change(NOW - 60, "h100", 2)], behavior, now=NOW) == 9


def test_what_was_taken_away_within_the_period_may_be_given_back_at_once() -> None:
    behavior = behave(up=make_rules(("Pods", 1, 60)))
    assert limit_change(9, 5, [Change(NOW - 30, "h100", -3)], behavior, now=NOW) == 9  # 5 + 3 + 1


@pytest.mark.parametrize(("select", "limit"), [("Max", 10), ("Min", 7), ("Disabled", 5)])
def test_select_policy_chooses_among_policies(select: str, limit: int) -> None:
    behavior = behave(up=make_rules(("Pods", 2, 60), ("Percent", 100, 60), select=select))
    assert limit_change(50, 5, [], behavior, now=NOW) == limit


@pytest.mark.parametrize(("select", "limit"), [("Max", 5), ("Min", 8), ("Disabled", 10)])
def test_on_the_way_down_min_is_the_smallest_change(select: str, limit: int) -> None:
    behavior = behave(down=make_rules(("Pods", 2, 60), ("Percent", 50, 60), select=select))
    assert limit_change(0, 10, [], behavior, now=NOW) == limit
