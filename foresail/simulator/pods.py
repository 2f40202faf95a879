"""The pods that simulated servers run in: which exist, which are ready, which are on their way out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernetes import client, config


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod. Instants are seconds since the epoch; `ready_at` None: it is not ready."""

    name: str
    uid: str
    created_at: float
    ready_at: float | None
    deleting: bool


class PodLister:
    """Asks an API server for the pods of a selector.

    Args:
        kubeconfig: Path; None: the user's own, or a pod's service account.
        namespace: Of the pods.
        selector: Label selector, `app=chat`.
    """

    def __init__(self, *, kubeconfig: str | None, namespace: str, selector: str) -> None:
        settings = client.Configuration()
        try:
            config.load_kube_config(kubeconfig, client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            if kubeconfig is not None:
                raise
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        self._api = client.CoreV1Api(client.ApiClient(settings))
        self._namespace = namespace
        self._selector = selector

    def list(self) -> list[PodState]:
        """All pods now; blocks.

        Raises:
            OSError: The API server did not answer.
        """
        try:
            answer: Any = self._api.list_namespaced_pod(
                self._namespace, label_selector=self._selector, _preload_content=False, _request_timeout=(2, 5)
            )
        except client.ApiException as error:
            raise OSError(f"the API server refused the list of pods: {error.status} {error.reason}") from error
        except client.rest.urllib3.exceptions.HTTPError as error:  # type: ignore[attr-defined]
            raise OSError(f"the API server did not answer: {error}") from error
        return [parse_pod(body) for body in json.loads(answer.data)["items"]]


def parse_pod(body: Mapping[str, Any]) -> PodState:
    """Understand a pod as the API server tells it."""
    metadata = body["metadata"]
    conditions = (body.get("status") or {}).get("conditions") or ()
    ready = next((c for c in conditions if c.get("type") == "Ready" and c.get("status") == "True"), None)
    created = _instant(metadata["creationTimestamp"])
    since = None if ready is None else ready.get("lastTransitionTime")
    return PodState(
        name=metadata["name"],
        uid=metadata.get("uid") or "",
        created_at=created,
        ready_at=None if ready is None else _instant(since) if since else created,
        deleting=metadata.get("deletionTimestamp") is not None,
    )


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
