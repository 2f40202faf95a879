"""Fakes at the border: an API server in a dict, and clocks that are set by hand."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping
from typing import Any

from foresail.domain.errors import ActuationError
from foresail.operator.actuate.kube import JSON, JSON_PATCH, ApiConflictError, ApiError, Body, NotFoundError


class HandClock:
    """Both clocks, moved by the test."""

    def __init__(self, wall: float = 1_000_000.0, steady: float = 100.0) -> None:
        self.wall_seconds = wall
        self.steady_seconds = steady

    def wall(self) -> float:
        return self.wall_seconds

    def steady(self) -> float:
        return self.steady_seconds

    def advance(self, seconds: float) -> None:
        self.wall_seconds += seconds
        self.steady_seconds += seconds


class FakeApi:
    """Objects by path with resourceVersions; PUT and PATCH with an old one are refused, as the real server does.

    Of a JSON patch it knows `test`, `add` and `replace`, below objects and list items that are there.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.params: list[Mapping[str, str] | None] = []
        self.failure: ActuationError | None = None
        self._version = 0

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
        deadline_seconds: float = 10.0,  # noqa: ARG002
    ) -> dict[str, Any]:
        sent: Any = copy.deepcopy(body if body is not None else {})
        self.requests.append((method, path, sent))
        self.params.append(params)
        if self.failure is not None:
            raise self.failure
        if method == "POST":
            name = sent["metadata"]["name"]
            path = f"{path}/{name}"
            if path in self.objects:
                raise ApiConflictError(f"{path} exists", status=409)
            return self._store(path, sent)
        if path not in self.objects:
            raise NotFoundError(f"{path} not found", status=404, reason="NotFound")
        if method == "GET":
            return copy.deepcopy(self.objects[path])
        return self._patch(path, sent) if content_type == JSON_PATCH else self._change(path, sent)

    def put_in(self, path: str, body: dict[str, Any]) -> None:
        """Somebody else writes an object."""
        self._store(path, body)

    def writes(self) -> list[tuple[str, str, Any]]:
        return [request for request in self.requests if request[0] != "GET"]

    def _patch(self, path: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
        changed = copy.deepcopy(self.objects[path])
        for operation in operations:
            *parents, last = operation["path"].removeprefix("/").split("/")
            place: Any = changed
            for step in parents:
                place = place[int(step)] if isinstance(place, list) else place[step]
            if operation["op"] in ("add", "replace"):
                place[last] = operation["value"]
            elif place.get(last) != operation["value"]:
                raise ApiError(f"{path}: testing {operation['path']} failed", status=422, reason="Invalid")
        return self._change(path, changed)

    def _change(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted not in (None, self.objects[path]["metadata"]["resourceVersion"]):
            raise ApiConflictError(f"{path} has been modified", status=409)
        return self._store(path, self.objects[path] | body)

    def _store(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        stored = copy.deepcopy(body)
        stored["metadata"] = {**stored.get("metadata", {}), "resourceVersion": str(self._version)}
        self.objects[path] = stored
        return copy.deepcopy(stored)


class HandLease:
    """A lease that the test holds."""

    def __init__(self, remaining: float = 10.0) -> None:
        self.remaining = remaining

    def remaining_seconds(self) -> float:
        return self.remaining


async def eventually(condition: Callable[[], bool], *, seconds: float = 5.0, every: float = 0.0) -> None:
    """Return as soon as a condition holds; fail when it does not within `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions are of the outside world
            await asyncio.sleep(every)
