"""The schemas on a real API server: they accept what we write, complete it as we would, and agree with the parser."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes import client

from foresail.domain.accelerator import Accelerator
from foresail.domain.errors import SpecError
from foresail.domain.memory import Learned
from foresail.domain.workload import Workload
from foresail.operator.learned import parse_learned, to_learned
from foresail.operator.manifest import to_accelerator_manifest
from foresail.operator.resources import parse_accelerator, parse_workload, to_manifest
from tests.conftest import ROOT, Cluster, wait_for
from tests.manifests.conftest import DryRun, RefusedError
from tests.property.operator.strategies import accelerators, described_by, learned, spec_schema, workloads

pytestmark = pytest.mark.cluster

# The API server answers in milliseconds, but a busy machine may take its time.
against_the_server = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
DEFAULT_NAMESPACE = st.just("default")


@given(workload=workloads(namespaces=DEFAULT_NAMESPACE))
@against_the_server
def test_every_workload_we_write_is_accepted_and_comes_back_as_itself(dry_run: DryRun, workload: Workload) -> None:
    stored = parse_workload(dry_run.create(to_manifest(workload)))

    assert replace(stored, uid=workload.uid, generation=workload.generation) == workload


@given(accelerator=accelerators())
@against_the_server
def test_every_accelerator_we_write_is_accepted_and_comes_back_as_itself(
    dry_run: DryRun, accelerator: Accelerator
) -> None:
    assert parse_accelerator(dry_run.create(to_accelerator_manifest(accelerator))) == accelerator


@given(spec=described_by(spec_schema("modeldeployments")), profile=described_by(spec_schema("acceleratorprofiles")))
@against_the_server
def test_what_the_server_accepts_is_read_or_refused_with_its_field(
    dry_run: DryRun, spec: dict[str, Any], profile: dict[str, Any]
) -> None:
    for body in (manifest("ModelDeployment", spec), manifest("AcceleratorProfile", profile)):
        try:
            stored = dry_run.create(body)
        except RefusedError:
            continue
        expect_read_or_refused(stored)


def expect_read_or_refused(stored: dict[str, Any]) -> None:
    """What is read says the same when it is written; a refusal names a field of the spec."""
    parse = parse_workload if stored["kind"] == "ModelDeployment" else parse_accelerator
    try:
        parse(stored)
    except SpecError as refusal:
        if not refusal.field.startswith("spec"):
            raise


def manifest(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """An object of one of our kinds."""
    metadata = {"name": "only-a-dry-run"} | ({"namespace": "default"} if kind == "ModelDeployment" else {})
    return {"apiVersion": "foresail.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def test_the_schemas_defaults_are_the_parsers(dry_run: DryRun) -> None:
    """An object that says as little as possible means the same before and after the API server completed it."""
    little = {
        "variants": [{"name": "a", "scaleTargetRef": {"name": "chat"}}],
        "schedules": [{"name": "day", "start": "07:30", "end": "19:00", "minReplicas": 2}],
        "override": {"replicas": 3, "until": "2026-11-23T08:00:00Z"},
    }
    for spec in (little, little | {"behavior": {"scaleUp": {}, "scaleDown": {"selectPolicy": "Min"}}}):
        body = manifest("ModelDeployment", spec)
        stored = dry_run.create(body)
        before, after = parse_workload(body), parse_workload(stored)
        assert replace(after, uid=before.uid, generation=before.generation) == before
        assert stored["spec"]["variants"][0]["maxReplicas"] == 10  # it did complete it

    profile = manifest("AcceleratorProfile", {"capacity": [{"model": "m", "requestsPerSecond": "1"}]})
    assert parse_accelerator(dry_run.create(profile)) == parse_accelerator(profile)


@pytest.fixture
def write_learned(cluster: Cluster, dry_run: DryRun, namespace: str) -> Callable[[Any], Any]:
    """Has a `status.learned` checked, and gives it back as it would be stored."""
    body = manifest("ModelDeployment", {"variants": [{"name": "h100", "scaleTargetRef": {"name": "chat"}}]})
    body["metadata"]["namespace"] = namespace
    cluster.kubectl.apply(body)
    place = ("foresail.dev", "v1alpha1", namespace, "modeldeployments", body["metadata"]["name"])

    def write(learned: Any) -> Any:
        status = {"status": {"learned": learned}}
        try:
            answer = dry_run.api.patch_namespaced_custom_object_status(
                *place, status, dry_run="All", field_validation="Strict"
            )
        except client.ApiException as error:
            raise RefusedError(error.body) from error
        return answer["status"]["learned"]

    return write


@given(learned=learned)
@against_the_server
def test_all_that_was_learned_is_accepted_and_comes_back_as_itself(
    write_learned: Callable[[Any], Any], learned: Learned
) -> None:
    written = to_learned(learned)

    assert write_learned(written) == written


@given(value=described_by(spec_schema("modeldeployments", "status")["properties"]["learned"]))
@against_the_server
def test_what_the_server_accepts_as_learned_is_read_or_does_not_count(
    write_learned: Callable[[Any], Any], value: dict[str, Any]
) -> None:
    try:
        stored = write_learned(value)
    except RefusedError:  # two variants of one name
        return
    read = parse_learned(stored)
    assert read is None or len(read.capacity) <= len(stored.get("variants", []))


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 0.5},
        {"scale": "NaN"},
        {"scale": "-1"},
        {"source": "x" * 1025},
        {"observations": -1},
        {"deviation": None},
    ],
)
def test_what_cannot_have_been_learned_is_refused(write_learned: Callable[[Any], Any], change: dict[str, Any]) -> None:
    [entry] = STATUS["learned"]["variants"]
    with pytest.raises(RefusedError):
        write_learned({"feedbackFactor": "1", "variants": [entry | change]})


REFUSALS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "refusals.yaml").read_text())


@pytest.mark.parametrize("case", REFUSALS, ids=[case["name"] for case in REFUSALS])
def test_a_bad_object_is_refused_with_a_message_that_says_what_to_do(dry_run: DryRun, case: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refusal:
        dry_run.create(manifest(case["kind"], case["spec"]))

    assert complaint(str(refusal.value)) == case["message"]


def complaint(message: str) -> str:
    """What the API server says beyond the object's name, and without the remark that it stopped looking."""
    _, _, said = message.partition("is invalid: ")
    unchecked = (
        ", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation]"
    )
    return said.removesuffix(unchecked).removeprefix("[") if said.endswith(unchecked) else said or message


def test_every_rule_of_the_schemas_has_a_bad_object_that_meets_it() -> None:
    messages = [message for path in sorted((ROOT / "crds").glob("*.yaml")) for message in rule_messages(path)]
    said = "\n".join(case["message"] for case in REFUSALS)

    assert messages
    assert [message for message in messages if message not in said] == []


def rule_messages(path: Path) -> list[str]:
    """Messages of the CEL rules of a CRD."""

    def walk(node: Any) -> list[str]:
        if isinstance(node, list):
            return [message for item in node for message in walk(item)]
        if not isinstance(node, dict):
            return []
        own = [" ".join(rule["message"].split()) for rule in node.get("x-kubernetes-validations", [])]
        return own + [message for value in node.values() for message in walk(value)]

    return walk(yaml.safe_load(path.read_text()))


def test_the_columns_show_mode_counts_bounds_and_why(cluster: Cluster, namespace: str) -> None:
    body = manifest("ModelDeployment", {"variants": [{"name": "h100", "scaleTargetRef": {"name": "chat"}}]})
    body["metadata"]["namespace"] = namespace
    cluster.kubectl.apply(body)
    cluster.kubectl.run(
        *("apply", "--server-side", "--subresource=status", "-f", "-"),
        stdin=json.dumps({key: body[key] for key in ("apiVersion", "kind", "metadata")} | {"status": STATUS}),
    )

    def table() -> list[list[str]]:
        rows = cluster.kubectl.run("get", "md", "-n", namespace).splitlines()
        return [row.split() for row in rows]

    header, row = wait_for(table, what="the table")
    assert header == ["NAME", "READY", "MODE", "CURRENT", "DESIRED", "MIN", "MAX", "WHY", "AGE"]
    assert row[:-1] == ["only-a-dry-run", "True", "Advisory", "5", "7", "1", "12", "ForecastDemand"]


LONG = "x" * 4096
STATUS: dict[str, Any] = {
    "observedGeneration": 1,
    "currentReplicas": 5,
    "desiredReplicas": 7,
    "readyReplicas": 5,
    "minReplicas": 1,
    "maxReplicas": 12,
    "variants": [
        {
            "name": "h100",
            "currentReplicas": 5,
            "desiredReplicas": 7,
            "readyReplicas": 5,
            "capacitySource": "roofline",
            "weightPercent": 100,
        }
    ],
    "lastDecision": {
        "id": "d-1",
        "time": "2026-11-23T08:00:00Z",
        "from": 5,
        "to": 7,
        "reason": "ForecastDemand",
        "message": LONG,
        "steps": [
            {"rule": "limit_step_up", "before": 9, "after": 7, "reason": "StepLimited", "message": LONG},
        ]
        * 64,
    },
    "learned": {
        "feedbackFactor": "1.3",
        "variants": [
            {
                "name": "h100",
                "scale": "0.5",
                "deviation": "0.05",
                "observations": 40,
                "secondsPerInputToken": "0.0000952380952",
                "secondsPerOutputToken": "0.000285714286",
                "source": "x" * 1024,
                "most": "0.45",
            }
        ],
    },
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Deciding",
            "message": LONG,
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-23T08:00:00Z",
        }
    ],
}
