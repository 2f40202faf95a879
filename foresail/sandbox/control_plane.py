"""etcd, kube-apiserver, controller-manager and scheduler on loopback, with TLS and RBAC on."""

from __future__ import annotations

import json
import random
import secrets
import socket
import ssl
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from foresail.sandbox.keys import make_private_key, write_secret
from foresail.sandbox.processes import ProcessError, Processes

READY_SECONDS = 120.0
PORTS = (20_000, 32_768)


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane: where it answers and how to be its administrator."""

    url: str
    kubeconfig: Path
    certificate_authority: Path
    admin_token: str
    binaries: Path


def free_port() -> int:
    """A port of loopback that was free a moment ago, below those that the kernel gives to whoever asks for any."""
    for _ in range(100):
        port = random.SystemRandom().randrange(*PORTS)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise ProcessError(f"no port from {PORTS[0]} to {PORTS[1]} is free on 127.0.0.1; end what listens there")


def write_kubeconfig(
    path: Path, *, url: str, certificate_authority: Path, token: str, namespace: str = "default"
) -> Path:
    """Write a kubeconfig with one cluster, one user and one context, readable by its owner alone."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sandbox",
        "clusters": [
            {"name": "sandbox", "cluster": {"server": url, "certificate-authority": str(certificate_authority)}}
        ],
        "users": [{"name": "sandbox", "user": {"token": token}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox", "namespace": namespace}}],
    }
    return write_secret(path, json.dumps(content, indent=1))


def start_etcd(processes: Processes, binaries: Path) -> str:
    """Start etcd and return its client address; durability is not needed, so fsync is off."""
    client, peer = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    command: list[str | Path] = [binaries / "etcd", "--data-dir", processes.folder / "etcd", "--unsafe-no-fsync"]
    command += ["--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer]
    command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
    processes.start("etcd", command)
    return client


def start_api_server(processes: Processes, binaries: Path, etcd: str, admin_token: str) -> str:
    """Start the API server and wait until it is ready; its address."""
    folder, port = processes.folder, free_port()
    key = write_secret(folder / "sa.key", make_private_key())
    tokens = write_secret(folder / "tokens.csv", f"{admin_token},admin,admin,system:masters\n")
    command: list[str | Path] = [
        binaries / "kube-apiserver",
        f"--etcd-servers={etcd}",
        f"--cert-dir={folder / 'certs'}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        "--service-account-issuer=https://localhost/",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        f"--token-auth-file={tokens}",
        "--endpoint-reconciler-type=none",
    ]
    processes.start("kube-apiserver", command)
    url = f"https://127.0.0.1:{port}"
    certificate = folder / "certs" / "apiserver.crt"
    processes.wait_until("kube-apiserver", lambda: is_ready(url, certificate, admin_token), seconds=READY_SECONDS)
    return url


def is_ready(url: str, certificate: Path, token: str) -> bool:
    """Whether the API server calls itself ready."""
    request = urllib.request.Request(f"{url}/readyz", headers={"Authorization": f"Bearer {token}"})
    try:
        context = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(request, timeout=2, context=context) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def start_controllers(processes: Processes, binaries: Path, kubeconfig: Path) -> None:
    """Start controller-manager and scheduler; they need no wait, what they do is awaited where it matters."""
    shared = [f"--kubeconfig={kubeconfig}", "--leader-elect=false"]
    keys = [f"--service-account-private-key-file={processes.folder / 'sa.key'}", "--use-service-account-credentials"]
    processes.start(
        "kube-controller-manager", [binaries / "kube-controller-manager", *shared, *keys, "--secure-port=0"]
    )
    processes.start("kube-scheduler", [binaries / "kube-scheduler", *shared, f"--secure-port={free_port()}"])


def start_control_plane(processes: Processes, binaries: Path) -> ControlPlane:
    """Start all four, in about three seconds."""
    token = secrets.token_hex(16)
    url = start_api_server(processes, binaries, start_etcd(processes, binaries), token)
    authority = processes.folder / "certs" / "apiserver.crt"
    kubeconfig = write_kubeconfig(
        processes.folder / "kubeconfig", url=url, certificate_authority=authority, token=token
    )
    start_controllers(processes, binaries, kubeconfig)
    return ControlPlane(url, kubeconfig, authority, token, binaries)
