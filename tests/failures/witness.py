"""A witness of every number of replicas that any Deployment of a namespace was ever asked for."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Self

from tests.conftest import wait_for
from tests.failures.api import Api

WATCH_SECONDS = 600.0


class Witness:
    """Watches from the beginning to the end, so that not even a short step down goes unseen."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self._seen: defaultdict[str, list[int]] = defaultdict(list)
        self._versions: set[str] = set()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._since = self._api.ask("GET", self._path)["metadata"]["resourceVersion"]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The thread ends with the process: its stream is asked for so long."""

    def least(self, name: str) -> int:
        """The least replicas that a Deployment was ever asked for, everything until now included."""
        now = self._api.find(f"{self._path}/{name}")
        if now is not None:
            version = now["metadata"]["resourceVersion"]
            wait_for(lambda: version in self._versions, seconds=10, what="the witness's sight of the last change")
        return min(self._seen[name])

    def _watch(self) -> None:
        for event in self._api.watch(self._path, self._since, WATCH_SECONDS):
            body = event["object"]
            if event["type"] in ("ADDED", "MODIFIED"):
                self._seen[body["metadata"]["name"]].append(int(body["spec"]["replicas"]))
            self._versions.add(body["metadata"]["resourceVersion"])
