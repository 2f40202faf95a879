"""Who we are to the API server: kubeconfig (files, tokens, exec plugins, OIDC) or the pod's service account.

`kubernetes.config` reads all of them into a Configuration; the HTTP is aiohttp's. The same login serves our own
client and kopf's watches. A token that may be refreshed is asked for again every half minute, and a 401 reads the
whole configuration anew: rotated files and plugins are picked up without a restart.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import weakref

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from kubernetes import config
from kubernetes.client import Configuration
from yaml import YAMLError

from foresail.domain.errors import SettingsError
from foresail.operator.clock import Clock, SystemClock

TOKEN_SECONDS = 30.0  # client-go re-reads a token file once a minute; plugins cache on their own
RELOAD_SECONDS = 5.0  # a wrong token must not become a storm of plugin runs
IN_CLUSTER_VARIABLE = "KUBERNETES_SERVICE_HOST"
ABORTING_ROUNDS = 5  # an abort closes its socket in the loop's next rounds: TLS, then TCP


def load_configuration(kubeconfig: str | None) -> Configuration:
    """Read `kubeconfig`, or without it the service account of the pod, or else the user's default kubeconfig.

    Raises:
        SettingsError: There is none that can be understood.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None and IN_CLUSTER_VARIABLE in os.environ:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=kubeconfig, client_configuration=configuration
            )
    except (config.ConfigException, OSError, YAMLError, TypeError, KeyError) as error:
        raise SettingsError(
            "settings",
            "kubeconfig",
            f"the cluster's address and login cannot be read ({error})",
            value=kubeconfig,
            remedy="name a kubeconfig with --kubeconfig, or run in a pod with a service account",
        ) from error
    return configuration


class Connector(aiohttp.TCPConnector):
    """Connections that are all gone once it is closed.

    One that was given up in the middle of a request is out of aiohttp's sight: TLS waits for the goodbye of a peer
    that may have fallen silent.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(limit=0, ssl=tls)
        self._made: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's name
    ) -> Connection:
        """Get a connection from the pool or make one, and note it."""
        connection = await super().connect(req, traces, timeout)
        if isinstance(connection.transport, asyncio.Transport):
            self._made.add(connection.transport)
        return connection

    async def close(self, *, abort_ssl: bool = False) -> None:  # noqa: ARG002 - always so
        """Abort every connection."""
        await super().close(abort_ssl=True)
        for transport in list(self._made):
            transport.abort()
        for _ in range(ABORTING_ROUNDS):
            await asyncio.sleep(0)


class Login:
    """A login that stays valid: where the server is, how to trust it, and what to send with each request."""

    def __init__(self, kubeconfig: str | None, *, clock: Clock | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._clock: Clock = clock or SystemClock()
        self._configuration = load_configuration(kubeconfig)
        self._authorization: str | None = None
        self._fresh_until = float("-inf")
        self._reloaded = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def server(self) -> str:
        """The API server's address, without a slash at its end."""
        return str(self._configuration.host).rstrip("/")

    async def authorization(self) -> str | None:
        """The Authorization header, refreshed when due; None for a client certificate."""
        if self._clock.steady() < self._fresh_until:
            return self._authorization
        async with self._lock:
            if self._clock.steady() >= self._fresh_until:
                # In a thread: an exec plugin may take seconds.
                self._authorization = await asyncio.to_thread(self._read_authorization)
                self._fresh_until = self._clock.steady() + TOKEN_SECONDS
        return self._authorization

    async def reload(self) -> bool:
        """Read the configuration anew, after a 401; False when that was done just now."""
        async with self._lock:
            if self._clock.steady() < self._reloaded + RELOAD_SECONDS:
                return False
            self._configuration = await asyncio.to_thread(load_configuration, self._kubeconfig)
            self._reloaded = self._clock.steady()
            self._fresh_until = float("-inf")
            return True

    def open_session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Make a session that sends this login with every request; to be called and closed in the same loop."""
        return aiohttp.ClientSession(
            connector=Connector(self._tls()),
            middlewares=(self._authenticate, *middlewares),
            proxy=self._configuration.proxy or None,
            headers={"User-Agent": "foresail"},
        )

    async def _authenticate(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        authorization = await self.authorization()
        if authorization is not None:
            request.headers["Authorization"] = authorization
        if self._configuration.tls_server_name:
            request.server_hostname = self._configuration.tls_server_name
        return await handler(request)

    def _read_authorization(self) -> str | None:
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token is not None:
            return str(token)
        if self._configuration.username:
            return str(self._configuration.get_basic_auth_token())
        return None

    def _tls(self) -> ssl.SSLContext:
        settings = self._configuration
        context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
        if not settings.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        return context
