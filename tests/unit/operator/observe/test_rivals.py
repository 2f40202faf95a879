"""Of our own objects on one target the oldest acts, and the others wait and say for whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from foresail.domain.snapshot import FIELD_MANAGER, Rival
from foresail.domain.workload import Mode, Workload, WorkloadKey
from foresail.operator.observe.records import ForeignWrite, RivalRecord
from foresail.operator.observe.rivals import acting_workloads, by_target, name_rivals, others
from foresail.operator.observe.targets import key_of
from tests.builders import NOW, make_variant, make_workload


def named(name: str, mode: Mode = Mode.AUTO, *variants: str, uid: str = "") -> Workload:
    chosen = tuple(make_variant(variant) for variant in variants or ("h100",))
    return replace(make_workload(), key=WorkloadKey("prod", name), uid=uid or f"uid-{name}", mode=mode, variants=chosen)


def rivals_of(workload: Workload, *oldest_first: Workload, at_once: bool = False) -> list[Rival]:
    """Whom a workload finds on its targets; all of the same age where they came `at_once`."""
    created = {each.key: NOW + (0.0 if at_once else age) for age, each in enumerate(oldest_first)}
    records = by_target(acting_workloads(sorted(oldest_first, key=lambda each: each.key), created))
    targets = [key_of("prod", variant.target) for variant in workload.variants]
    return [
        rival
        for target in targets
        for rival in name_rivals(target, others(records[target], workload.key), None, workload.mode)
    ]


@pytest.mark.parametrize(("older", "younger"), [("chat", "twin"), ("twin", "chat")])
def test_of_two_on_one_target_the_older_acts_and_the_younger_says_to_whom_it_yields(older: str, younger: str) -> None:
    fleet = named(older), named(younger)
    [waiting] = rivals_of(fleet[0], *fleet)
    assert waiting.waits
    assert waiting.message == (
        f"ModelDeployment {younger} names Deployment/chat-h100 too and waits, as the younger one; delete it, or set "
        "its mode to Advisory or Off"
    )
    [acting] = rivals_of(fleet[1], *fleet)
    assert not acting.waits
    assert acting.message == (
        f"ModelDeployment {older} scales Deployment/chat-h100 too, is older and goes first; delete it, or set mode "
        "Advisory or Off here"
    )


def test_of_two_that_came_in_the_same_second_the_smaller_uid_goes_first() -> None:
    fleet = named("chat", uid="b"), named("twin", uid="a")
    assert [rival.waits for rival in rivals_of(fleet[0], *fleet, at_once=True)] == [False]
    assert [rival.waits for rival in rivals_of(fleet[1], *fleet, at_once=True)] == [True]


def test_without_the_older_one_the_younger_acts() -> None:
    assert rivals_of(named("twin"), named("chat", Mode.OFF), named("twin")) == []
    assert rivals_of(named("twin"), named("twin")) == []


def test_one_that_waits_keeps_nobody_from_its_other_target() -> None:
    first, second, third = (
        named("c", Mode.AUTO, "h100"),
        named("b", Mode.AUTO, "h100", "a100"),
        named("a", Mode.AUTO, "a100"),
    )
    fleet = first, second, third
    assert [(rival.name, rival.waits) for rival in rivals_of(first, *fleet)] == [("b", True)]
    assert [(rival.name, rival.waits) for rival in rivals_of(second, *fleet)] == [("c", False)]
    assert [(rival.name, rival.waits) for rival in rivals_of(third, *fleet)] == [("b", True)]


def test_a_third_waits_for_the_oldest_alone() -> None:
    fleet = named("b"), named("a"), named("c")
    assert [rival.name for rival in rivals_of(fleet[2], *fleet)] == ["b"]
    assert [(rival.name, rival.waits) for rival in rivals_of(fleet[0], *fleet)] == [("a", True), ("c", True)]


def test_one_that_only_advises_is_nobodys_rival() -> None:
    chat, adviser = named("chat"), named("adviser", Mode.ADVISORY)
    assert rivals_of(chat, adviser, chat) == []
    assert [rival.name for rival in rivals_of(adviser, adviser, chat, named("twin"))] == ["chat"]


def test_a_workload_is_not_its_own_rival() -> None:
    chat = named("chat")
    assert rivals_of(chat, chat) == []


def test_a_hand_counts_beside_one_that_waits() -> None:
    target = key_of("prod", make_variant().target)
    waiting = RivalRecord("ModelDeployment", "prod", "twin", target, yields_to="chat")
    write = ForeignWrite("kubectl", NOW, 5, 3)
    assert [rival.kind for rival in name_rivals(target, [waiting], write, Mode.AUTO)] == [
        "ModelDeployment",
        FIELD_MANAGER,
    ]
