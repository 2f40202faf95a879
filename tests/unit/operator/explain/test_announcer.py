from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from foresail.domain.errors import SpecError
from foresail.domain.workload import Mode
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.outbox import Outbox, TokenBucket
from foresail.operator.explain.announcer import Announcer
from foresail.operator.explain.events import EventRecorder
from foresail.operator.explain.metrics import OperatorMetrics
from foresail.operator.explain.status import StatusWriter
from foresail.service.document import Trace
from tests.builders import NOW, make_observation, make_workload
from tests.unit.operator.explain.statuses import KEY, PATH, make_decision
from tests.unit.operator.fakes import FakeApi, HandClock, HandLease

PROBLEM = SpecError("prod/chat", "spec.override.until", "is not an instant", value="soon", remedy="write RFC 3339")


class Desk:
    """An announcer whose outbox is emptied by hand."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.api.put_in(PATH, {"metadata": {}, "status": {}})
        self.outbox = Outbox(TokenBucket(HandClock()))
        self.metrics = OperatorMetrics(HandClock(wall=NOW + 10))
        writer = FencedWriter(self.api, HandLease())
        self.announcer = Announcer(
            StatusWriter(writer, self.outbox), EventRecorder(writer, self.outbox), self.metrics.fleet
        )

    async def announce(self, trace: Trace | None, **changes: Any) -> dict[str, Any]:
        workload = make_workload(mode=Mode.AUTO)
        entry: Any = {"workload": workload, "problem": None, "generation": 1, "status": {}, "uid": "u"} | changes
        traces = {KEY: trace} if trace is not None else {}
        self.announcer.announce({KEY: SimpleNamespace(**entry)}, traces, (), NOW)
        while len(self.outbox):
            await self.outbox.do_next()
        status: dict[str, Any] = self.api.objects[PATH]["status"]
        return status

    def events(self) -> list[tuple[str, str]]:
        return [(body["reason"], body["message"]) for path, body in self.api.objects.items() if "/events/" in path]


async def test_reason_and_sentence_are_the_same_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk, decision = Desk(), make_decision()
    status = await desk.announce(Trace(decision))
    assert (status["lastDecision"]["reason"], status["lastDecision"]["message"]) == (decision.reason, decision.message)
    assert desk.events() == [(decision.reason, decision.message)]
    (record,) = caplog.records
    assert decision.message in record.getMessage()
    assert decision.reason in record.getMessage()
    labels = {"namespace": "prod", "name": "chat", "reason": decision.reason}
    assert desk.metrics.registry.get_sample_value("foresail_decisions_total", labels) == 1.0


async def test_a_decision_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk()
    await desk.announce(Trace(make_decision()))
    await desk.announce(Trace(make_decision()))
    assert len(caplog.records) == 1


async def test_a_spec_that_is_not_understood_is_quoted_while_the_last_good_one_decides() -> None:
    status = await Desk().announce(Trace(make_decision()), problem=PROBLEM, generation=2)
    (ready,) = status["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "SpecInvalid")
    assert str(PROBLEM) in ready["message"]
    assert "last good spec" in ready["message"]
    assert status["lastDecision"]["to"] == 7


async def test_a_spec_that_was_never_understood_scales_nothing_and_sends_no_event() -> None:
    desk = Desk()
    status = await desk.announce(None, problem=PROBLEM, workload=None)
    assert "lastDecision" not in status
    assert "nothing is scaled" in status["conditions"][0]["message"]
    assert desk.events() == []


async def test_a_spec_that_changed_during_the_cycle_is_not_yet_said_to_be_observed() -> None:
    trace = Trace(make_decision(), make_observation(make_workload(mode=Mode.AUTO, generation=1)))
    changed = make_workload(mode=Mode.AUTO, generation=2)
    status = await Desk().announce(trace, workload=changed, generation=2)
    assert status["observedGeneration"] == 1
    assert status["conditions"][0]["observedGeneration"] == 1
