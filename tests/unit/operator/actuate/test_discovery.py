from __future__ import annotations

from typing import Any

import pytest

from foresail.operator.actuate.discovery import Discovery
from foresail.operator.actuate.kube import NotFoundError


class Server:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def request(self, method: str, path: str) -> dict[str, Any]:
        assert method == "GET"
        self.asked.append(path)
        names = [{"name": "leaderworkersets/scale", "kind": "Scale"}, {"name": "leaderworkersets", "kind": "Lws"}]
        return {"resources": names}


async def test_known_kinds_are_not_asked_for() -> None:
    server = Server()
    path = await Discovery(server).scale_path("apps/v1", "Deployment", "prod", "chat")
    assert path == "/apis/apps/v1/namespaces/prod/deployments/chat/scale"
    assert server.asked == []


async def test_other_kinds_are_asked_for_once() -> None:
    server = Server()
    discovery = Discovery(server)
    for _ in range(2):
        path = await discovery.object_path("x.io/v1", "Lws", "prod", "chat")
        assert path == "/apis/x.io/v1/namespaces/prod/leaderworkersets/chat"
    assert server.asked == ["/apis/x.io/v1"]


async def test_a_kind_that_is_not_served_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="has no kind Nope"):
        await Discovery(Server()).scale_path("x.io/v1", "Nope", "prod", "chat")
