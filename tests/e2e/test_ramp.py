"""One model, scaled end to end: a morning that has come thirteen times is met by replicas that are ready before it."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from foresail.sandbox.view import View, fetch
from tests.e2e.conftest import MORNING_SECONDS, PLAYED_BEFORE_SECONDS, SPEED, STARTUP_SECONDS, Run, rate

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

CAPACITY_RPS = 5.8  # of one simulated replica at 700/230 tokens, as examples/01-one-model says


def instant_of_demand(run: Run, rps: float) -> float:
    """When the trace asks for `rps`, on the clock of the run."""
    first = MORNING_SECONDS - PLAYED_BEFORE_SECONDS
    seconds = next(t for t in range(0, 20_000, 10) if rate(first + t) >= rps)
    return run.started_at + seconds / SPEED


def increases(run: Run) -> list[tuple[float, int, int]]:
    """Instants at which more replicas were asked for: when, before, after."""
    wanted = [(when, view.desired) for when, view in run.seen if view.desired is not None]
    return [(when, before, after) for (_, before), (when, after) in pairwise(wanted) if after > before]


def test_the_patch_comes_at_least_one_lead_time_before_the_demand(run: Run) -> None:
    """For every count that the ramp needs, the patch to it is older than the demand by more than a start-up."""
    late = []
    for needed in (3, 4, 5):
        asked = min(when for when, _, after in increases(run) if after >= needed)
        demanded = instant_of_demand(run, (needed - 1) * CAPACITY_RPS)
        if asked > demanded - STARTUP_SECONDS:
            late.append((needed, demanded - asked))
    assert late == []


def test_the_morning_keeps_the_slo(run: Run) -> None:
    summary = fetch(f"{run.sandbox.simulator_url}/summary")
    assert summary is not None
    ran, *rivals = summary["policies"]
    assert ran["name"] == "live"
    assert ran["attainment"] >= 0.97
    assert {rival["name"] for rival in rivals} == {"hpa-in-flight", "hpa-work-rate", "static-peak"}
    assert all(rival["requests"] == ran["requests"] for rival in rivals)


def test_every_decision_can_be_traced_from_metric_to_sentence(run: Run) -> None:
    answer = fetch(f"{run.sandbox.operator_url}/api/v1/decisions?namespace=demo&name=chat")
    assert answer is not None
    [document] = answer["decisions"]
    assert document["observed"]["demand"]["requests_per_second"] > 0
    assert document["forecast"]["quantiles"]["requests_per_second"]["0.95"]
    steps = document["lastDecision"]["steps"]
    assert steps[-1]["after"] == document["lastDecision"]["to"]
    assert all(before["after"] == after["before"] for before, after in pairwise(steps))
    status = run.kubectl.get("md", "chat", "-n", "demo")["status"]["lastDecision"]
    events = run.kubectl.get("events", "-n", "demo", "--field-selector", "involvedObject.kind=ModelDeployment")
    log = run.processes.log_of("operator").read_text()
    said = [view for _, view in run.seen if view.current != view.desired]
    assert said
    for view in said:
        assert view.message in log
        assert view.message in {event["message"] for event in events["items"]}
    assert status["reason"] in log


def test_only_the_scale_of_the_target_was_written(run: Run) -> None:
    """The Deployment's template is as it was applied; the last writer of its replicas is Foresail."""
    deployment = run.kubectl.get("deployment", "chat", "-n", "demo", "--show-managed-fields")
    ours = [entry for entry in deployment["metadata"]["managedFields"] if entry["manager"] == "foresail"]
    assert [entry.get("subresource") for entry in ours] == ["scale"]
    assert json.dumps(ours[0]["fieldsV1"]).count("f:") == 2  # f:spec and f:replicas


def test_the_columns_tell_what_matters(run: Run) -> None:
    header, row = run.kubectl.run("get", "md", "-n", "demo").strip().splitlines()
    assert header.split() == ["NAME", "READY", "MODE", "CURRENT", "DESIRED", "MIN", "MAX", "WHY", "AGE"]
    assert row.split()[1:3] == ["True", "Auto"]


def test_views_are_read_as_they_are_served(run: Run) -> None:
    views: list[View] = [view for _, view in run.seen]
    assert all(view.name == "demo/chat" for view in views)
    assert any(view.q95_rps is not None and view.median_rps is not None for view in views)
