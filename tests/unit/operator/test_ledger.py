from __future__ import annotations

from typing import Any

from foresail.operator.kinds import Kind
from foresail.operator.ledger import Ledger

PODS = Kind("", "v1", "pods")


def make_pod(name: str, *, uid: str = "u", version: str = "1") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "prod", "uid": uid, "resourceVersion": version}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def make_ledger(*pods: dict[str, Any]) -> Ledger:
    ledger = Ledger()
    for pod in pods:
        ledger.note(None, pod)
    return ledger


def names(events: Any) -> list[tuple[str, str]]:
    return [(event_type, body["metadata"]["name"]) for event_type, body in events]


def test_objects_are_counted_by_kind_and_forgotten_when_deleted() -> None:
    ledger = make_ledger(make_pod("a"), make_pod("b"))
    assert ledger.count(PODS) == 2
    ledger.note("DELETED", make_pod("a"))
    assert ledger.count(PODS) == 1
    assert ledger.count(Kind("", "v1", "nodes")) == 0


def test_the_late_end_of_a_recreated_object_does_not_remove_the_new_one() -> None:
    ledger = make_ledger(make_pod("a", uid="new", version="9"))
    ledger.note("DELETED", make_pod("a", uid="old"))
    assert ledger.count(PODS) == 1


def test_a_listing_tells_what_the_watch_did_not() -> None:
    ledger = make_ledger(make_pod("gone"), make_pod("same"), make_pod("changed"))
    listed = [make_pod("same"), make_pod("changed", version="2"), make_pod("new")]
    events = ledger.difference(PODS, ledger.snapshot(PODS), listed)
    assert names(events) == [("DELETED", "gone"), ("MODIFIED", "changed"), ("ADDED", "new")]


def test_what_the_watch_told_during_a_listing_is_newer() -> None:
    ledger = make_ledger(make_pod("changed"))
    before = ledger.snapshot(PODS)
    ledger.note("MODIFIED", make_pod("changed", version="3"))
    ledger.note("ADDED", make_pod("created"))
    listed = [make_pod("changed", version="2")]
    assert names(ledger.difference(PODS, before, listed)) == []


def test_a_tombstone_says_who_is_gone() -> None:
    ledger = make_ledger(make_pod("gone", uid="x"))
    ((_, body),) = ledger.difference(PODS, ledger.snapshot(PODS), [])
    assert (body["kind"], body["apiVersion"], body["metadata"]["uid"]) == ("Pod", "v1", "x")
