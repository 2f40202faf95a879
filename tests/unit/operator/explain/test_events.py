from __future__ import annotations

from foresail.domain.workload import WorkloadKey
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.outbox import Outbox, TokenBucket
from foresail.operator.explain.events import EventRecorder
from foresail.operator.explain.notices import Notice
from tests.builders import NOW
from tests.unit.operator.fakes import FakeApi, HandClock, HandLease

KEY = WorkloadKey("prod", "chat")
NEWS = Notice(True, "ConflictingController", "HorizontalPodAutoscaler/chat scales Deployment/chat too")


class Desk:
    """A recorder whose outbox is emptied by hand."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.outbox = Outbox(TokenBucket(HandClock()))
        self.recorder = EventRecorder(FencedWriter(self.api, HandLease()), self.outbox)

    async def record(self, notice: Notice = NEWS, *, now: float = NOW) -> None:
        self.recorder.record(KEY, "u", notice, now)
        while len(self.outbox):
            await self.outbox.do_next()

    def counts(self) -> list[int]:
        return [event["count"] for event in self.api.objects.values()]


async def test_an_event_names_object_reason_and_sentence() -> None:
    desk = Desk()
    await desk.record()
    (event,) = desk.api.objects.values()
    assert event["type"] == "Warning"
    assert event["reason"] == NEWS.reason
    assert event["message"] == NEWS.message
    assert event["involvedObject"]["uid"] == "u"


async def test_the_same_news_within_an_hour_is_counted() -> None:
    desk = Desk()
    await desk.record()
    await desk.record(now=NOW + 3000)
    await desk.record(now=NOW + 6000)
    assert desk.counts() == [3]


async def test_other_news_and_old_news_are_new_events() -> None:
    desk = Desk()
    await desk.record()
    await desk.record(NEWS._replace(message="another sentence"))
    await desk.record(now=NOW + 3601)
    assert desk.counts() == [1, 1, 1]


async def test_news_that_differs_in_numbers_only_is_counted_and_shows_the_newest() -> None:
    desk = Desk()
    short = Notice(True, "PoolExhausted", "prod/chat would take 7 replicas, pool h100 has free GPUs for two replicas.")
    await desk.record(short)
    await desk.record(short._replace(message=short.message.replace("7", "9")))
    (event,) = desk.api.objects.values()
    assert (event["count"], event["message"][:27]) == (2, "prod/chat would take 9 repl")
    assert event["reason"] == "PoolExhausted"


async def test_every_change_of_replicas_is_an_event_of_its_own() -> None:
    desk = Desk()
    goes = Notice(False, "ForecastDemand", "prod/chat: 5 → 7 replicas. In 180 s demand is expected at 38 rps.")
    await desk.record(goes)
    await desk.record(goes._replace(message="prod/chat: 7 → 8 replicas. In 180 s demand is expected at 44 rps."))
    assert desk.counts() == [1, 1]


async def test_an_event_that_was_not_kept_is_created_again() -> None:
    desk = Desk()
    await desk.record()
    desk.api.objects.clear()
    await desk.record(now=NOW + 60)
    assert desk.counts() == [2]
    (event,) = desk.api.objects.values()
    assert (event["firstTimestamp"], event["lastTimestamp"]) == ("2026-11-23T12:00:00Z", "2026-11-23T12:01:00Z")


async def test_each_edit_by_hand_is_an_event_of_its_own() -> None:
    desk = Desk()
    await desk.record(Notice(True, "EditedByHand", "kubectl changed the replicas from 6 to 9"))
    await desk.record(Notice(True, "EditedByHand", "kubectl changed the replicas from 9 to 1"))
    assert desk.counts() == [1, 1]
