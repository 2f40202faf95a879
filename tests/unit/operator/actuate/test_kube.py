from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from foresail.domain.errors import ConflictError, SettingsError
from foresail.operator.actuate.kube import (
    ForbiddenError,
    GoneError,
    KubeClient,
    NotFoundError,
    ServerError,
    ThrottledError,
    UnreachableError,
)
from foresail.operator.actuate.login import load_configuration

Answer = Callable[[web.Request], web.Response]


class Script:
    """A server that gives the answers in order and then repeats the last."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request)


def say(status: int, message: str = "so it is", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.json_response({"message": message, "reason": "R"}, status=status, headers=named)


def write_kubeconfig(path: Path, server: str, token: str) -> None:
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {"token": token}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )


Start = Callable[..., Awaitable[tuple[Script, KubeClient, Path]]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    opened: list[TestServer | KubeClient] = []

    async def run(*answers: Answer) -> tuple[Script, KubeClient, Path]:
        script = Script()
        script.answers = list(answers)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", script.answer)
        server = TestServer(app)
        await server.start_server()
        kubeconfig = tmp_path / "kubeconfig"
        write_kubeconfig(kubeconfig, str(server.make_url("")), "first")
        client = KubeClient(str(kubeconfig))
        opened.extend([server, client])
        return script, client, kubeconfig

    yield run
    for thing in reversed(opened):
        await thing.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, GoneError),
    ],
)
async def test_refusals_have_types_and_are_not_tried_again(start: Start, status: int, error: type[Exception]) -> None:
    script, client, _ = await start(say(status, "the reason"))
    with pytest.raises(error, match="the reason"):
        await client.request("GET", "/x")
    assert len(script.requests) == 1


async def test_a_429_is_tried_again_after_what_the_server_asks(start: Start) -> None:
    script, client, _ = await start(say(429, Retry_After="0"), say(200))
    assert await client.request("PATCH", "/x", body={}) == {"message": "so it is", "reason": "R"}
    assert len(script.requests) == 2


async def test_waiting_never_exceeds_the_deadline(start: Start) -> None:
    script, client, _ = await start(say(429, "busy", Retry_After="20"))
    with pytest.raises(ThrottledError, match="busy"):
        await client.request("GET", "/x", deadline_seconds=0.2)
    assert len(script.requests) == 1


async def test_server_errors_are_tried_a_bounded_number_of_times(start: Start) -> None:
    script, client, _ = await start(say(503))
    with pytest.raises(ServerError):
        await client.request("GET", "/x")
    assert len(script.requests) == 4


async def test_a_post_that_may_have_been_done_is_not_repeated(start: Start) -> None:
    script, client, _ = await start(say(500))
    with pytest.raises(ServerError):
        await client.request("POST", "/x", body={})
    assert len(script.requests) == 1


async def test_no_answer_is_an_error_within_the_deadline(start: Start, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "nowhere"
    write_kubeconfig(kubeconfig, "http://127.0.0.1:1", "t")
    async with KubeClient(str(kubeconfig)) as client:
        with pytest.raises(UnreachableError):
            await client.request("GET", "/x", deadline_seconds=0.3)


async def test_a_rotated_token_is_read_again_after_a_401(start: Start) -> None:
    def only_second(request: web.Request) -> web.Response:
        ok = request.headers["Authorization"] == "Bearer second"
        return web.json_response({"ok": ok}, status=200 if ok else 401)

    script, client, kubeconfig = await start(only_second)
    write_kubeconfig(kubeconfig, str(script_url(client)), "second")
    assert await client.request("GET", "/x") == {"ok": True}
    assert [request.headers["Authorization"] for request in script.requests] == ["Bearer first", "Bearer second"]


async def test_bodies_and_parameters_arrive(start: Start) -> None:
    script, client, _ = await start(say(200))
    await client.request("PATCH", "/x", body={"a": 1}, content_type="application/merge-patch+json", params={"p": "1"})
    assert script.requests[0].query["p"] == "1"
    assert script.requests[0].content_type == "application/merge-patch+json"


def test_a_missing_kubeconfig_is_a_settings_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--kubeconfig"):
        load_configuration(str(tmp_path / "none"))


def script_url(client: KubeClient) -> str:
    return client.server
