"""docs/operator.md and the CRD name every model and data sheet that a capacity is predicted from, and no other."""

from __future__ import annotations

import re

import yaml

from foresail.profiles.known import accelerator_specs, model_specs, plain_name
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
CRD = (ROOT / "crds" / "acceleratorprofiles.yaml").read_text(encoding="utf-8")


def listed(beginning: str, end: str) -> set[str]:
    """What stands as code between two places of the page."""
    return set(re.findall(r"`([^`]+)`", PAGE.partition(beginning)[2].partition(end)[0]))


def test_the_page_lists_the_data_sheets() -> None:
    assert listed("name the data sheet in `spec.hardware`:", "Another name") == set(accelerator_specs())


def test_the_page_lists_the_models() -> None:
    assert {plain_name(name) for name in listed("`-hf` and `Meta-`:", "A quantised")} == set(model_specs())


def test_the_crd_lists_the_data_sheets() -> None:
    [version] = yaml.safe_load(CRD)["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    named = re.search(r"There are (.*?)\. Absent", spec["hardware"]["description"])
    assert named is not None
    assert set(re.split(r", | and ", named[1])) == set(accelerator_specs())
