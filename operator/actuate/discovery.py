"""Where the objects of a kind live on the API server; asked once per group and version, then remembered."""

from __future__ import annotations

from typing import Any, Protocol

from foresail.operator.actuate.kube import NotFoundError


class Api(Protocol):
    """The part of the client of the API server that discovery needs."""

    async def request(self, method: str, path: str) -> dict[str, Any]:
        """Ask the API server and return its answer."""


class Discovery:
    """Paths of namespaced objects and their `/scale`, for any kind the API server serves."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._plurals = {("apps/v1", "Deployment"): "deployments", ("apps/v1", "StatefulSet"): "statefulsets"}

    async def object_path(self, api_version: str, kind: str, namespace: str, name: str) -> str:
        """Path of an object.

        Raises:
            NotFoundError: The API server does not serve this kind.
            ActuationError: It did not answer.
        """
        plural = self._plurals.get((api_version, kind))
        if plural is None:
            plural = self._plurals[api_version, kind] = await self._ask(api_version, kind)
        return f"{_root(api_version)}/namespaces/{namespace}/{plural}/{name}"

    async def scale_path(self, api_version: str, kind: str, namespace: str, name: str) -> str:
        """Path of an object's `/scale`; raises as `object_path` does."""
        return await self.object_path(api_version, kind, namespace, name) + "/scale"

    async def _ask(self, api_version: str, kind: str) -> str:
        listing = await self._api.request("GET", _root(api_version))
        for resource in listing.get("resources", []):
            if resource.get("kind") == kind and "/" not in resource["name"]:
                return str(resource["name"])
        raise NotFoundError(f"{api_version} has no kind {kind}", status=404, reason="NotFound")


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
