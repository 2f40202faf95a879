"""HTTPRoutes as the API server has them."""

from __future__ import annotations

from typing import Any


def make_ref(name: str, weight: int | None = None, **changes: Any) -> dict[str, Any]:
    """A backendRef of a Service."""
    ref = {"group": "", "kind": "Service", "name": name, "port": 8000, **changes}
    return ref if weight is None else ref | {"weight": weight}


def make_route(*rules: list[dict[str, Any]], names: tuple[str, ...] = ()) -> dict[str, Any]:
    """An HTTPRoute whose rules have these backendRefs, and names as far as there are some."""
    listed: list[dict[str, Any]] = [{"backendRefs": refs} for refs in rules]
    for rule, name in zip(listed, names, strict=False):
        rule["name"] = name
    metadata = {"name": "chat", "namespace": "prod", "uid": "r", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"parentRefs": [{"name": "gateway"}], "rules": listed}}


def weights_of(route: dict[str, Any]) -> list[list[int | None]]:
    """Weights by rule."""
    return [[ref.get("weight") for ref in rule["backendRefs"]] for rule in route["spec"]["rules"]]
