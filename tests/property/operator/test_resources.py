"""Laws of the border: writing and reading are inverse, and reading never fails in any other way than by refusing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.domain.accelerator import Accelerator
from foresail.domain.errors import SpecError
from foresail.domain.workload import Workload
from foresail.operator.manifest import to_accelerator_manifest
from foresail.operator.resources import parse_accelerator, parse_workload, to_manifest
from tests.property.operator.strategies import accelerators, described_by, spec_schema, workloads


@given(workload=workloads())
def test_a_workload_written_as_a_manifest_reads_as_itself(workload: Workload) -> None:
    assert parse_workload(to_manifest(workload)) == workload


@given(accelerator=accelerators())
def test_an_accelerator_written_as_a_manifest_reads_as_itself(accelerator: Accelerator) -> None:
    assert parse_accelerator(to_accelerator_manifest(accelerator)) == accelerator


@given(spec=described_by(spec_schema("modeldeployments")))
def test_what_the_schema_describes_is_read_or_refused_with_its_field(spec: dict[str, Any]) -> None:
    expect_read_or_refused("ModelDeployment", spec)


@given(spec=described_by(spec_schema("acceleratorprofiles")))
def test_a_profile_that_the_schema_describes_is_read_or_refused_with_its_field(spec: dict[str, Any]) -> None:
    expect_read_or_refused("AcceleratorProfile", spec)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data(), workload=workloads(), junk=JSON)
def test_junk_in_place_of_any_field_is_read_or_refused(data: st.DataObject, workload: Workload, junk: Any) -> None:
    manifest = to_manifest(workload)
    place, key = data.draw(st.sampled_from(list(places(manifest))), label="place")
    place[key] = junk

    expect_read_or_refused("ModelDeployment", manifest["spec"])


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON document."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    inner = [value[key] for key in keys if isinstance(value[key], dict | list)]
    return [(value, key) for key in keys] + [place for child in inner for place in places(child)]


def expect_read_or_refused(kind: str, spec: Any) -> None:
    """Reading either succeeds or names a field; a workload that was read can be written and read again."""
    body = {"metadata": {"name": "chat", "namespace": "prod"}, "spec": spec}
    parsed = read_or_refuse(kind, body)
    if isinstance(parsed, Workload):
        assert parse_workload(to_manifest(parsed)) == parsed
    if isinstance(parsed, SpecError):
        assert parsed.field.startswith("spec")
        assert parsed.remedy


def read_or_refuse(kind: str, body: dict[str, Any]) -> Workload | Accelerator | SpecError:
    """What the parser says of an object."""
    try:
        return parse_workload(body) if kind == "ModelDeployment" else parse_accelerator(body)
    except SpecError as refusal:
        return refusal


def test_a_body_without_metadata_or_spec_is_refused() -> None:
    for body in ({}, {"metadata": 3}, {"metadata": {"name": "chat"}}, {"metadata": {"name": "chat"}, "spec": []}):
        with pytest.raises(SpecError):
            parse_workload(body)
