"""Writing: once, and only what is new."""

from __future__ import annotations

from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.kube import ForbiddenError
from foresail.operator.actuate.outbox import Outbox, TokenBucket
from foresail.operator.explain.status import StatusWriter
from tests.builders import NOW
from tests.unit.operator.explain.statuses import PATH, make_decision, make_object
from tests.unit.operator.fakes import FakeApi, HandClock, HandLease


class Desk:
    """A status writer whose outbox is emptied by hand."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.api.put_in(PATH, {"metadata": {}, "status": {}})
        self.outbox = Outbox(TokenBucket(HandClock()))
        self.writer = StatusWriter(FencedWriter(self.api, HandLease()), self.outbox)

    async def send(self) -> None:
        while len(self.outbox):
            await self.outbox.do_next()


async def test_a_status_is_written_once_and_not_again_when_nothing_changed() -> None:
    desk = Desk()
    about = make_object()
    assert desk.writer.publish(about, make_decision(), (), NOW).renewed
    await desk.send()
    for seen in (about, about._replace(status=desk.api.objects[PATH]["status"])):  # before and after the watch tells
        assert desk.writer.publish(seen, make_decision(identity="d2"), (), NOW + 15) == (False, ())
    assert len(desk.outbox) == 0
    assert len(desk.api.writes()) == 1


async def test_a_status_that_somebody_else_changed_is_written_anew() -> None:
    desk = Desk()
    desk.writer.publish(make_object(), make_decision(), (), NOW)
    await desk.send()
    desk.writer.publish(make_object({"desiredReplicas": 99}), make_decision(), (), NOW + 15)
    await desk.send()
    assert len(desk.api.writes()) == 2


async def test_a_field_that_the_server_drops_is_not_written_for_ever() -> None:
    desk = Desk()
    desk.writer.publish(make_object(), make_decision(), (), NOW)
    desk.api.objects[PATH]["status"] = {}
    await desk.send()
    pruned = desk.api.objects[PATH]["status"]
    desk.writer.publish(make_object(pruned), make_decision(), (), NOW + 15)
    assert len(desk.outbox) == 0


async def test_a_write_that_failed_is_tried_in_the_next_cycle() -> None:
    desk = Desk()
    desk.api.failure = ForbiddenError("no", status=403)
    desk.writer.publish(make_object(), make_decision(), (), NOW)
    await desk.send()
    desk.api.failure = None
    desk.writer.publish(make_object(), make_decision(), (), NOW + 15)
    await desk.send()
    assert desk.api.objects[PATH]["status"]["desiredReplicas"] == 7
