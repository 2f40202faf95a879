from __future__ import annotations

import pytest

from foresail.domain.decision import VariantDecision
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.kube import ForbiddenError
from foresail.operator.actuate.scale import OutcomeKind, is_due, scale
from tests.unit.operator.fakes import FakeApi, HandLease

PATH = "/apis/apps/v1/namespaces/prod/deployments/chat/scale"


def make_decision(
    *, current: int | None = 5, desired: int | None = 7, acts: bool = True, uid: str = "u", version: str = "1"
) -> VariantDecision:
    return VariantDecision("h100", current, desired, 5, acts, uid, version)


def make_api() -> FakeApi:
    api = FakeApi()
    api.put_in(PATH, {"metadata": {"uid": "u"}, "spec": {"replicas": 5}})
    return api


@pytest.mark.parametrize(
    "decision",
    [
        make_decision(acts=False),
        make_decision(desired=5),
        make_decision(desired=None),
        make_decision(current=None),
        make_decision(uid=""),
        make_decision(version=""),
    ],
    ids=["advisory", "same", "undecided", "no target", "no uid", "no version"],
)
def test_nothing_is_due_without_right_target_and_difference(decision: VariantDecision) -> None:
    assert not is_due(decision)


async def test_the_patch_names_the_object_that_was_observed() -> None:
    api = make_api()
    outcome = await scale(FencedWriter(api, HandLease()), PATH, make_decision())
    assert outcome.kind is OutcomeKind.WRITTEN
    body = {"metadata": {"uid": "u", "resourceVersion": "1"}, "spec": {"replicas": 7}}
    assert api.writes() == [("PATCH", PATH, body)]
    assert api.params[-1] == {"fieldManager": "foresail"}


async def test_a_conflict_is_an_outcome_and_changes_nothing() -> None:
    api = make_api()
    outcome = await scale(FencedWriter(api, HandLease()), PATH, make_decision(version="0"))
    assert outcome.kind is OutcomeKind.CONFLICT
    assert api.objects[PATH]["spec"]["replicas"] == 5


async def test_a_refusal_is_an_outcome_with_its_message() -> None:
    api = make_api()
    api.failure = ForbiddenError("deployments/scale is forbidden", status=403)
    outcome = await scale(FencedWriter(api, HandLease()), PATH, make_decision())
    assert outcome.kind is OutcomeKind.REFUSED
    assert "forbidden" in outcome.message


async def test_nothing_is_sent_without_the_lease() -> None:
    api = make_api()
    outcome = await scale(FencedWriter(api, HandLease(0.0)), PATH, make_decision())
    assert outcome.kind is OutcomeKind.NOT_LEADING
    assert api.requests == []
