"""Two of our own objects on one target are rivals like any two autoscalers."""

from __future__ import annotations

from dataclasses import replace

from foresail.domain.workload import Mode, Workload, WorkloadKey
from foresail.operator.observe.rivals import acting_workloads, by_target, name_rivals, others
from foresail.operator.observe.targets import key_of
from tests.builders import make_workload


def named(name: str, mode: Mode) -> Workload:
    return replace(make_workload(), key=WorkloadKey("prod", name), mode=mode)


def rivals_of(workload: Workload, *fleet: Workload) -> list[str]:
    records = by_target(acting_workloads(fleet))
    target = key_of("prod", workload.variants[0].target)
    return [rival.message for rival in name_rivals(target, others(records[target], workload.key), None, workload.mode)]


def test_two_in_auto_on_one_target_are_each_others_rivals() -> None:
    chat, twin = named("chat", Mode.AUTO), named("twin", Mode.AUTO)
    [said] = rivals_of(chat, chat, twin)
    assert said.startswith("ModelDeployment twin scales Deployment/")
    assert len(rivals_of(twin, chat, twin)) == 1


def test_one_that_only_advises_is_nobodys_rival() -> None:
    chat, adviser = named("chat", Mode.AUTO), named("adviser", Mode.ADVISORY)
    assert rivals_of(chat, chat, adviser) == []


def test_a_workload_is_not_its_own_rival() -> None:
    chat = named("chat", Mode.AUTO)
    assert rivals_of(chat, chat) == []
