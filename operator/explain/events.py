"""Events: what `kubectl describe` and `kubectl get events` tell; the same news again is counted, not repeated.

Core v1 Events, because `kubectl describe` shows their count and last time. What says the same of an object (its reason,
and its sentence apart from numbers) within an hour, which is as long as the API server keeps an Event, raises the count
of the one that is there, which then shows the newest sentence. A change of replicas is an Event of its own: it is what
people look for afterwards.
"""

from __future__ import annotations

import os
import re
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from foresail.domain.workload import WorkloadKey
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.kube import MERGE_PATCH, NotFoundError
from foresail.operator.actuate.outbox import Outbox
from foresail.operator.explain.notices import Notice
from foresail.operator.explain.status import API_VERSION, KIND
from foresail.policies.scaling.said import essence
from foresail.service.document import to_instant

SAME_SECONDS = 3600.0
MAX_MESSAGE = 1024  # the API server's limit
COMPONENT = "foresail"
CHANGE = re.compile(r"\d+ → \d+ replica")


@dataclass(slots=True)
class _Told:
    name: str
    first: float
    last: float
    count: int = 0


class EventRecorder:
    """Records news about ModelDeployments."""

    def __init__(self, writer: FencedWriter, outbox: Outbox) -> None:
        self._writer = writer
        self._outbox = outbox
        self._told: dict[tuple[str, str, str], _Told] = {}

    def record(self, key: WorkloadKey, uid: str, notice: Notice, now: float) -> None:
        """Have an Event created, or the one that says the same counted up."""
        self._told = {same: told for same, told in self._told.items() if now - told.last < SAME_SECONDS}
        changes = CHANGE.search(notice.message) is not None
        same = (uid, notice.reason, notice.message if changes else essence(notice.reason, notice.message))
        told = self._told.get(same)
        if told is None:
            told = self._told[same] = _Told(f"{key.name[:200]}.{uuid.uuid4().hex[:16]}", now, now)
        told.count += 1
        told.last = now
        self._outbox.put(("event", told.name), partial(self._send, key, uid, notice, told, first=told.count == 1))

    async def _send(self, key: WorkloadKey, uid: str, notice: Notice, told: _Told, *, first: bool) -> None:
        folder = f"/api/v1/namespaces/{key.namespace}/events"
        if not first:
            again = {
                "message": notice.message[:MAX_MESSAGE],
                "count": told.count,
                "lastTimestamp": to_instant(told.last),
            }
            try:
                await self._writer.write("PATCH", f"{folder}/{told.name}", again, content_type=MERGE_PATCH)
            except NotFoundError:  # it was kept no longer, or never got there
                pass
            else:
                return
        await self._writer.write("POST", folder, _event(key, uid, notice, told))


def _event(key: WorkloadKey, uid: str, notice: Notice, told: _Told) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": told.name, "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": key.namespace,
            "name": key.name,
            "uid": uid,
        },
        "type": "Warning" if notice.warning else "Normal",
        "reason": notice.reason,
        "message": notice.message[:MAX_MESSAGE],
        "count": told.count,
        "firstTimestamp": to_instant(told.first),
        "lastTimestamp": to_instant(told.last),
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": os.environ.get("HOSTNAME", COMPONENT)[:128],
    }
