"""Scenes: what a group of rows shares."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.conftest import Cluster
from tests.failures.api import Api
from tests.failures.gateway import Gateway
from tests.failures.scene import Engines, Scene, make_profile, operator_flags
from tests.failures.witness import Witness
from tests.fakes.prometheus import FakePrometheus
from tests.integration.process import FORESAIL, OperatorProcess

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def api(gpu_nodes: Cluster) -> Api:
    """The administrator's hands."""
    assert gpu_nodes.control_plane is not None
    return Api(gpu_nodes.control_plane)


@pytest.fixture(scope="session")
def make_place(api: Api) -> Callable[[], str]:
    """Makes namespaces, each with a profile of its name. They are never deleted."""

    def make() -> str:
        name = f"failures-{os.getpid()}-{next(_numbers)}"
        api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        api.ask("POST", "/apis/foresail.dev/v1alpha1/acceleratorprofiles", make_profile(name))
        return name

    return make


@pytest.fixture(scope="session")
def open_scene(
    api: Api, gpu_nodes: Cluster, make_place: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[Scene]]:
    """Opens scenes, with a Prometheus of our own making unless a real one is given."""

    @contextmanager
    def open_one(
        *,
        kubeconfig: Path = gpu_nodes.kubeconfig,
        gateway: Gateway | None = None,
        entry: Sequence[str] = FORESAIL,
        lease_namespace: str | None = None,
        engines: Engines | None = None,
        prometheus: str = "",
        **settings: float | str,
    ) -> Iterator[Scene]:
        folder, namespace = tmp_path_factory.mktemp("scene"), make_place()
        with FakePrometheus() as fake:
            flags = operator_flags(folder, namespace, kubeconfig, prometheus or fake.url, **settings)
            if lease_namespace is not None:
                flags += ["--lease-namespace", lease_namespace]
            with (
                Witness(api, namespace) as witness,
                OperatorProcess(folder / "operator.log", *flags, entry=entry) as operator,
            ):
                yield Scene(api, namespace, engines or fake, operator, witness, gateway)

    return open_one
