"""The leader: one operator writes, the others wait with warm stores.

A coordination.k8s.io Lease as client-go keeps it: the holder renews, a waiting one takes over when the record has not
changed for the lease's duration *as watched by its own steady clock*. Instants in the record are for people; none is
ever compared with a clock here, so neither a wrong nor a moved wall clock can make two leaders.

The fence: the right to write ends `MARGIN_SECONDS` before another operator may begin, counted from the moment at which
the last successful renewal was *sent*. Whoever writes asks `remaining_seconds` first and lets no request outlive it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from foresail.domain.errors import ActuationError, ConflictError
from foresail.operator.actuate.kube import NotFoundError
from foresail.operator.clock import Clock

LEASE_NAME = "foresail-operator"
RELEASE_SECONDS = 0.5  # at the end, when there are two seconds for everything
MARGIN_SECONDS = 1.0  # for a write that is on its way when the lease ends

logger = logging.getLogger(__name__)


class Api(Protocol):
    """The part of the client of the API server that a lease needs."""

    async def request(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, deadline_seconds: float = 10.0
    ) -> dict[str, Any]:
        """Ask the API server and return its answer."""


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Seconds: how long a lease is held unrenewed, between renewals, between looks of those who wait."""

    duration_seconds: int = 15
    renew_seconds: float = 5.0
    retry_seconds: float = 2.0


class Lease:
    """This process's side of the election."""

    def __init__(
        self, api: Api, clock: Clock, *, namespace: str, identity: str, timing: LeaseTiming = LeaseTiming()
    ) -> None:
        self._api = api
        self._clock = clock
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._identity = identity
        self._timing = timing
        self._record: dict[str, Any] | None = None
        self._record_seen_at = float("-inf")
        self._deadline = float("-inf")
        self.leader_since: float | None = None

    @property
    def leading(self) -> bool:
        """Whether this process may write now."""
        return self.remaining_seconds() > 0

    @property
    def holder(self) -> str:
        """Who held the lease when it was last looked at, empty when nobody did."""
        return str(_spec(self._record).get("holderIdentity") or "")

    def remaining_seconds(self) -> float:
        """How long this process may go on writing, 0 when it may not."""
        return max(self._deadline - self._clock.steady(), 0.0)

    async def run(self) -> None:
        """Take part in the election until cancelled."""
        while True:
            try:
                await self.campaign()
            except ActuationError as error:
                logger.warning("lease: not %s: %s", "renewed" if self.leading else "taken", error)
            self._notice_loss()
            await asyncio.sleep(self._pause())

    async def campaign(self) -> None:
        """Renew the lease, or take it when nobody holds it, or look again at who does.

        Raises:
            ActuationError: The API server did not answer; a lease that is held goes on until its deadline.
        """
        if not self.leading:
            await self._look()
            if self._held_by_another():
                return
        await self._claim()

    async def release(self) -> None:
        """Give the lease back, so that another takes over at once."""
        if not self.leading or self._record is None:
            return
        self._deadline = float("-inf")
        self.leader_since = None
        spec = {**_spec(self._record), "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": self._now()}
        try:
            await self._put({**self._record, "spec": spec}, deadline_seconds=RELEASE_SECONDS)
        except ActuationError as error:
            logger.warning("lease: not given back: %s", error)

    async def _look(self) -> None:
        try:
            record = await self._api.request("GET", f"{self._folder}/{LEASE_NAME}", deadline_seconds=self._patience())
        except NotFoundError:
            self._record = None
            return
        self._remember(record)

    async def _claim(self) -> None:
        sent_at = self._clock.steady()
        body = self._claimed_record()
        try:
            if self._record is None:
                record = await self._api.request("POST", self._folder, body=body, deadline_seconds=self._patience())
            else:
                record = await self._put(body, deadline_seconds=self._patience())
        except (ConflictError, NotFoundError):
            # Somebody else wrote it, or it was deleted: what we know is old, look before the next claim.
            await self._look()
            if self._held_by_another():
                self._deadline = float("-inf")
            return
        self._remember(record)
        if not self.leading:
            self.leader_since = self._clock.wall()
            logger.info("lease: %s leads now", self._identity)
        self._deadline = sent_at + self._timing.duration_seconds - MARGIN_SECONDS

    async def _put(self, body: Mapping[str, Any], *, deadline_seconds: float) -> dict[str, Any]:
        return await self._api.request(
            "PUT", f"{self._folder}/{LEASE_NAME}", body=body, deadline_seconds=deadline_seconds
        )

    def _claimed_record(self) -> dict[str, Any]:
        spec = _spec(self._record)
        ours = spec.get("holderIdentity") == self._identity
        now = self._now()
        claimed = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._timing.duration_seconds,
            "acquireTime": spec.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (0 if ours or not spec else 1),
        }
        record = self._record or {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE_NAME},
        }
        return {**record, "spec": claimed}

    def _held_by_another(self) -> bool:
        if self.holder in ("", self._identity):
            return False
        return self._clock.steady() < self._record_seen_at + self._their_duration()

    def _their_duration(self) -> float:
        return float(_spec(self._record).get("leaseDurationSeconds") or self._timing.duration_seconds)

    def _remember(self, record: dict[str, Any]) -> None:
        if _version(record) != _version(self._record):
            self._record_seen_at = self._clock.steady()
        self._record = record

    def _notice_loss(self) -> None:
        if self.leader_since is not None and not self.leading:
            self.leader_since = None
            logger.warning("lease: %s leads no longer", self._identity)

    def _patience(self) -> float:
        return self._timing.renew_seconds

    def _pause(self) -> float:
        if self.leading:
            return self._timing.renew_seconds
        expiry = self._record_seen_at + self._their_duration() - self._clock.steady()
        return min(self._timing.retry_seconds, expiry) if expiry > 0 else self._timing.retry_seconds

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.wall(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _spec(record: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return (record or {}).get("spec") or {}


def _version(record: Mapping[str, Any] | None) -> str | None:
    return None if record is None else record["metadata"]["resourceVersion"]
