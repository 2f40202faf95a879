"""The verifier of plans against a second one that was written apart from it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from foresail.cli.fields import Field
from foresail.cli.rescheduling.machines import parse_machines
from foresail.cli.rescheduling.past import Rest
from foresail.cli.rescheduling.pods import parse_pods
from foresail.cli.rescheduling.verification.claim import parse_claim
from foresail.cli.rescheduling.verification.replay import Limits
from foresail.cli.rescheduling.verification.verify import verify
from tests.property.rescheduling_verification.clusters import plans, pod_clusters, vm_clusters
from tests.property.rescheduling_verification.naive import Naive

WAVE = {"parallel": 3, "max_in": 1, "max_out": 1}
REST = {"minimum_age": 1, "cool_down": 2}


def document(value: dict[str, Any]) -> Field:
    return Field("test", "", json.loads(json.dumps(value)))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_both_verifiers_find_the_same_faults_in_plans_for_vms(data: st.DataObject) -> None:
    expect_agreement(data, data.draw(vm_clusters()))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_both_verifiers_find_the_same_faults_in_plans_for_pods(data: st.DataObject) -> None:
    expect_agreement(data, data.draw(pod_clusters()))


def expect_agreement(data: st.DataObject, cluster: dict[str, Any]) -> None:
    plan = data.draw(plans(cluster))
    instance = parse_machines(document(cluster)) if "pms" in cluster else parse_pods(document(cluster))
    limits = Limits(**WAVE, rest=Rest(REST["minimum_age"], REST["cool_down"]))
    faults = verify(instance, parse_claim(document(plan)), limits).faults
    for fault in faults:
        event(fault.kind)
    event("right" if not faults else "wrong")
    assert Counter((str(one.kind), one.move, one.wave) for one in faults) == Naive(cluster, plan, WAVE | REST).run()
