from __future__ import annotations

from typing import Any

import pytest

from foresail.domain.errors import ActuationError
from foresail.operator.actuate.kube import UnreachableError
from foresail.operator.lease import LEASE_NAME, Lease
from tests.unit.operator.fakes import FakeApi, HandClock

FOLDER = "/apis/coordination.k8s.io/v1/namespaces/ops/leases"
PATH = f"{FOLDER}/{LEASE_NAME}"


def make_lease(api: FakeApi, identity: str, clock: HandClock | None = None) -> tuple[Lease, HandClock]:
    clock = clock or HandClock()
    return Lease(api, clock, namespace="ops", identity=identity), clock


def spec_of(api: FakeApi) -> dict[str, Any]:
    spec: dict[str, Any] = api.objects[PATH]["spec"]
    return spec


async def test_the_first_takes_the_lease() -> None:
    api = FakeApi()
    lease, clock = make_lease(api, "a")
    await lease.campaign()
    assert lease.leading
    assert lease.leader_since == clock.wall()
    assert spec_of(api)["holderIdentity"] == "a"
    assert spec_of(api)["leaseTransitions"] == 0


async def test_the_right_to_write_ends_before_another_may_take_over() -> None:
    lease, clock = make_lease(FakeApi(), "a")
    await lease.campaign()
    assert lease.remaining_seconds() == 14.0  # 15 s of lease, 1 s of margin
    clock.advance(14.0)
    assert not lease.leading


async def test_a_second_waits_for_as_long_as_the_first_renews() -> None:
    api = FakeApi()
    first, clock = make_lease(api, "a")
    second, other_clock = make_lease(api, "b")
    for _ in range(10):
        await first.campaign()
        await second.campaign()
        clock.advance(5.0)
        other_clock.advance(5.0)
    assert first.leading
    assert not second.leading
    assert second.holder == "a"


async def test_a_second_takes_over_within_twenty_seconds_of_a_kill() -> None:
    api = FakeApi()
    first, _ = make_lease(api, "a")
    second, clock = make_lease(api, "b")
    await first.campaign()
    await second.campaign()
    waited = 0.0
    while not second.leading:
        clock.advance(2.0)
        waited += 2.0
        await second.campaign()
    assert 15.0 <= waited <= 18.0
    assert spec_of(api)["leaseTransitions"] == 1


async def test_setting_the_wall_clock_neither_gives_nor_takes_the_lease() -> None:
    api = FakeApi()
    first, clock = make_lease(api, "a")
    second, other_clock = make_lease(api, "b")
    await first.campaign()
    clock.wall_seconds -= 3600.0
    other_clock.wall_seconds += 3600.0
    await second.campaign()
    assert first.leading
    assert not second.leading
    clock.advance(5.0)
    await first.campaign()
    assert first.remaining_seconds() == 14.0


async def test_a_lease_that_was_taken_from_us_is_lost_at_once() -> None:
    api = FakeApi()
    lease, clock = make_lease(api, "a")
    await lease.campaign()
    api.put_in(PATH, api.objects[PATH] | {"spec": spec_of(api) | {"holderIdentity": "b"}})
    clock.advance(5.0)
    await lease.campaign()
    assert not lease.leading


async def test_a_silent_api_server_leaves_the_lease_until_its_deadline() -> None:
    api = FakeApi()
    lease, clock = make_lease(api, "a")
    await lease.campaign()
    api.failure = UnreachableError("no answer")
    clock.advance(13.0)
    with pytest.raises(ActuationError):
        await lease.campaign()
    assert lease.leading
    clock.advance(1.0)
    assert not lease.leading


async def test_a_released_lease_is_taken_at_the_next_look() -> None:
    api = FakeApi()
    first, _ = make_lease(api, "a")
    second, _ = make_lease(api, "b")
    await first.campaign()
    await second.campaign()
    await first.release()
    await second.campaign()
    assert not first.leading
    assert second.leading


async def test_an_expired_leader_that_returns_does_not_steal() -> None:
    api = FakeApi()
    first, clock = make_lease(api, "a")
    second, other_clock = make_lease(api, "b")
    await first.campaign()
    await second.campaign()
    other_clock.advance(16.0)
    await second.campaign()
    clock.advance(16.0)
    await first.campaign()
    assert second.leading
    assert not first.leading


async def test_a_deleted_lease_is_taken_anew() -> None:
    api = FakeApi()
    lease, _ = make_lease(api, "a")
    await lease.campaign()
    del api.objects[PATH]
    await lease.campaign()
    await lease.campaign()
    assert lease.leading
    assert spec_of(api)["holderIdentity"] == "a"
