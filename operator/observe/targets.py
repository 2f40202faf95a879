"""Targets: the objects whose replicas are set.

Deployments and StatefulSets are watched, so the store knows them. Every other kind is asked for by its `/scale` each
cycle, all at the same time; its answer names the pods by a selector.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from foresail.domain.errors import ActuationError
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import TargetRef
from foresail.operator.actuate.discovery import Discovery
from foresail.operator.actuate.kube import ForbiddenError, NotFoundError
from foresail.operator.observe.records import TargetKey, TargetRecord, group_of
from foresail.operator.observe.selector import parse_selector
from foresail.operator.store import TARGET_KINDS

CONCURRENCY: Final = 8


class Api(Protocol):
    """The part of the client of the API server that targets need."""

    async def request(self, method: str, path: str) -> dict[str, Any]:
        """Ask the API server and return its answer."""


class Targets:
    """Finds scale targets of any kind."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._discovery = Discovery(api)

    async def find(
        self, wanted: Iterable[tuple[str, TargetRef]], watched: Mapping[TargetKey, TargetRecord]
    ) -> Mapping[TargetKey, TargetRecord | Unknown]:
        """Targets by key, or why they are not known.

        Args:
            wanted: Namespaces and references.
            watched: The targets that the store knows.
        """
        found: dict[TargetKey, TargetRecord | Unknown] = {}
        asked: dict[TargetKey, TargetRef] = {}
        for namespace, ref in wanted:
            key = key_of(namespace, ref)
            if key.group == "apps" and key.kind in TARGET_KINDS:
                found[key] = watched.get(key) or _not_found(key)
            else:
                asked[key] = ref
        places = asyncio.Semaphore(CONCURRENCY)
        answers = await asyncio.gather(*(self._ask(key, ref, places) for key, ref in asked.items()))
        return found | dict(zip(asked, answers, strict=True))

    async def _ask(self, key: TargetKey, ref: TargetRef, places: asyncio.Semaphore) -> TargetRecord | Unknown:
        async with places:
            try:
                path = await self._discovery.scale_path(ref.api_version, ref.kind, key.namespace, ref.name)
                return _read_scale(await self._api.request("GET", path), key)
            except NotFoundError:
                return _not_found(key)
            except ForbiddenError as error:
                return Unknown(
                    Reason.TARGET_FORBIDDEN,
                    f"the scale of {_name(key)} may not be read ({error}); "
                    "add its kind to the chart's value scaleTargets",
                )
            except ActuationError as error:
                return Unknown(Reason.TARGET_UNREADABLE, f"the scale of {_name(key)} could not be read ({error})")


def key_of(namespace: str, ref: TargetRef) -> TargetKey:
    """Identity of what a reference means."""
    return TargetKey(group_of(ref.api_version), ref.kind, namespace, ref.name)


def _read_scale(body: Mapping[str, Any], key: TargetKey) -> TargetRecord | Unknown:
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    selector = parse_selector(status.get("selector") or "")
    if selector is None:
        return Unknown(
            Reason.TARGET_UNREADABLE,
            f"the scale of {_name(key)} names no selector of its pods; its CRD needs scale.labelSelectorPath",
        )
    return TargetRecord(
        uid=metadata.get("uid") or "",
        resource_version=metadata.get("resourceVersion") or "",
        replicas=int(spec.get("replicas") or 0),
        selector=selector,
    )


def _not_found(key: TargetKey) -> Unknown:
    return Unknown(
        Reason.TARGET_NOT_FOUND,
        f"{_name(key)} does not exist; create it, or correct the variant's scaleTargetRef",
    )


def _name(key: TargetKey) -> str:
    return f"{key.kind}/{key.name} in namespace {key.namespace}"
