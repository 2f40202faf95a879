from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from foresail.forecaster.questions import MAX_WORKLOADS, Questions, to_asked, to_subject
from tests.unit.forecaster.artifacts import make_body, make_question, make_subject


def read(**changes: Any) -> Questions:
    return Questions.model_validate_json(make_body(make_question(**changes)))


def encode(values: Any) -> str:
    return base64.b64encode(np.asarray(values, dtype="<f8").tobytes()).decode()


def test_a_question_is_a_subject_and_a_window() -> None:
    (workload,) = read().workloads
    asked = to_asked(workload, None)
    assert asked.subject == to_subject(workload) == make_subject()
    assert asked.request.recent.values.shape == (240, 3)
    assert asked.request.recent.values[0].tolist() == [20.0, 20_000.0, 5_000.0]
    assert (asked.request.horizon_seconds, asked.request.period_seconds) == (210.0, None)


def test_what_is_no_demand_is_a_hole() -> None:
    (workload,) = read(values=encode([[1.0, np.nan, 3.0], [-1.0, np.inf, 0.0]])).workloads
    window = to_asked(workload, None).request.recent
    assert window.observed.tolist() == [[True, False, True], [False, False, True]]
    assert window.values.tolist() == [[1.0, 0.0, 3.0], [0.0, 0.0, 0.0]]


def test_what_a_newer_operator_says_more_is_passed_over() -> None:
    assert read(temperature=3).workloads[0].name == "chat"


def test_a_horizon_of_very_many_steps_is_cut() -> None:
    (workload,) = read(step_seconds=1.0, horizon_seconds=86_400.0).workloads
    assert to_asked(workload, None).request.horizon_seconds == 2000.0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"namespace": "../etc"}, "namespace"),
        ({"name": "Chat"}, "name"),
        ({"name": ".hidden"}, "name"),
        ({"engine": "TGI"}, "engine"),
        ({"targets": []}, "targets"),
        ({"targets": [{"name": "a/b"}]}, "name"),
        ({"targets": [{"name": "a", "role": "Both"}]}, "role"),
        ({"indicators": []}, "indicators"),
        ({"step_seconds": 0}, "step_seconds"),
        ({"horizon_seconds": -1}, "horizon_seconds"),
        ({"horizon_seconds": 1e9}, "horizon_seconds"),
        ({"end": "soon"}, "end"),
        ({"period_seconds": 0}, "period_seconds"),
        ({"values": "***"}, "values"),
        ({"values": 3}, "values"),
        ({"values": ""}, "values"),
        ({"values": encode([1.0, 2.0])}, "values"),
        ({"values": encode(np.zeros((20_001, 3)))}, "values"),
    ],
)
def test_what_cannot_be_understood_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**changes)
    assert field in caught.value.errors()[0]["loc"]


def test_a_request_has_only_so_many_workloads() -> None:
    with pytest.raises(ValidationError):
        Questions.model_validate_json(make_body(*[make_question()] * (MAX_WORKLOADS + 1)))
