"""HTTPRoutes on the real API server: where they live, and one to share requests by."""

from __future__ import annotations

from typing import Any

from tests.unit.operator.actuate.routes import make_ref


def routes(namespace: str) -> str:
    """Path of the HTTPRoutes of a namespace."""
    return f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"


def make_route() -> dict[str, Any]:
    """A route with a rule of our two variants, one with a canary besides, and one that has nothing to do with us."""
    both = [make_ref("chat-h100"), make_ref("chat-l40s")]
    beside = [make_ref("chat-h100", 100), make_ref("canary", 50), make_ref("chat-l40s", 100)]
    chat, early = ({"matches": [{"path": {"value": path}}]} for path in ("/v1/chat", "/v1/early"))
    rules = [
        {"name": "chat", **chat, "backendRefs": both},
        {"name": "early", **early, "backendRefs": beside},
        {"name": "embeddings", "backendRefs": [make_ref("embeddings", 7)]},
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "chat"},
        "spec": {"parentRefs": [{"name": "gateway"}], "hostnames": ["chat.example.com"], "rules": rules},
    }
