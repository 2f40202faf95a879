from __future__ import annotations

import asyncio
from collections.abc import Callable

from foresail.domain.errors import ActuationError
from foresail.operator.actuate.outbox import Job, Outbox, TokenBucket
from tests.unit.operator.fakes import HandClock, eventually


def note(done: list[str], name: str) -> Job:
    async def job() -> None:
        done.append(name)

    return job


async def drain(outbox: Outbox, finished: Callable[[], bool]) -> None:
    task = asyncio.ensure_future(outbox.run())
    await eventually(finished)
    task.cancel()
    await asyncio.wait({task})


def test_a_burst_is_free_and_then_the_rate_holds() -> None:
    clock = HandClock()
    bucket = TokenBucket(clock, per_second=20.0, burst=40)
    assert [bucket.reserve() for _ in range(40)] == [0.0] * 40
    assert bucket.reserve() == 0.05  # 1 token at 20 a second
    assert bucket.reserve() == 0.1
    clock.advance(10.0)
    assert bucket.reserve() == 0.0


async def test_the_newest_job_of_a_key_replaces_the_waiting_one() -> None:
    done: list[str] = []
    outbox = Outbox(TokenBucket(HandClock()))
    outbox.put("a", note(done, "old"))
    outbox.put("b", note(done, "other"))
    outbox.put("a", note(done, "new"))
    await drain(outbox, lambda: len(done) == 2)
    assert done == ["new", "other"]


async def test_a_job_that_fails_does_not_stop_the_others() -> None:
    async def fail() -> None:
        raise ActuationError("refused")

    done: list[str] = []
    outbox = Outbox(TokenBucket(HandClock()))
    outbox.put("a", fail)
    outbox.put("b", note(done, "b"))
    await drain(outbox, lambda: bool(done))
    assert outbox.failures == 1
