"""The operator's settings: flags over a YAML file over defaults, refused with field, value and remedy.

The file's keys are the fields' names; `prometheus`, `forecaster` and `listen` (host:port) are written as their flags
are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from foresail.domain.errors import SettingsError
from foresail.operator.values import DEFAULT_PROMETHEUS_URL, Grammar, read_file

NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the person who runs the operator decides.

    Args:
        kubeconfig: File with the cluster's address and credentials; None: the pod's own, or the user's default one.
        prometheus_url: Root of a Prometheus, Thanos or Mimir query API.
        namespace: The only namespace that is looked at; None: all.
        lease_namespace: Where the Lease is kept.
        cycle_seconds: Time between two decisions.
        listen_host: Address on which health, metrics and decisions are served.
        listen_port: Port of the same; 0 takes a free one.
        scrape_interval_seconds: How often Prometheus scrapes the engines; windows and ages are multiples of it.
            None: it is measured, every ten minutes.
        history_hours: How far back seasons are looked for.
        history_step_seconds: Spacing of that history.
        season_seconds: A season that people know of; None: it is found in the data.
        usd_per_replica_hour: Price of a replica whose accelerator has none; None: such prices are unknown.
        prometheus_timeout_seconds: For one query.
        prometheus_deadline_seconds: For all queries of a cycle together.
        prometheus_max_bytes: Longest answer that is read.
        prometheus_bearer_token_file: Read anew for every query.
        prometheus_ca_file: Authorities that Prometheus' certificate may come from; None: the system's.
        prometheus_headers: Sent with every query (tenants, gateways).
        forecaster_url: Root of a `foresail forecaster`; None: none is asked, and nothing is sent.
        forecaster_deadline_seconds: For its answers in a cycle.
    """

    prometheus_url: str = DEFAULT_PROMETHEUS_URL
    kubeconfig: str | None = None
    namespace: str | None = None
    lease_namespace: str = "default"
    cycle_seconds: float = 15.0
    listen_host: str = "127.0.0.1"
    listen_port: int = 8080
    scrape_interval_seconds: float | None = None
    history_hours: float = 336.0
    history_step_seconds: float = 300.0
    season_seconds: float | None = None
    usd_per_replica_hour: float | None = None
    prometheus_timeout_seconds: float = 5.0
    prometheus_deadline_seconds: float = 10.0
    prometheus_max_bytes: int = 16 * 2**20
    prometheus_bearer_token_file: str | None = None
    prometheus_ca_file: str | None = None
    prometheus_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    forecaster_url: str | None = None
    forecaster_deadline_seconds: float = 1.0


# Least and most of each number.
LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "cycle_seconds": (1.0, 3600.0),
    "listen_port": (0, 65535),
    "scrape_interval_seconds": (0.1, 3600.0),
    "history_hours": (0.0, 24.0 * 366),
    "history_step_seconds": (1.0, 86_400.0),
    "season_seconds": (60.0, 366 * 86_400.0),
    "usd_per_replica_hour": (1e-4, 1e6),
    "prometheus_timeout_seconds": (0.1, 600.0),
    "prometheus_deadline_seconds": (0.1, 600.0),
    "prometheus_max_bytes": (1024, 2**31),
    "forecaster_deadline_seconds": (0.05, 60.0),
}
MAX_HISTORY_STEPS: Final = 20_000  # half a megabyte for each workload
FIELDS: Final = frozenset(entry.name for entry in fields(Settings))
GRAMMAR: Final = Grammar(
    fields=FIELDS,
    limits=LIMITS,
    whole=frozenset({"listen_port", "prometheus_max_bytes"}),
    files=frozenset({"kubeconfig", "prometheus_bearer_token_file", "prometheus_ca_file"}),
    urls={"prometheus_url": DEFAULT_PROMETHEUS_URL, "forecaster_url": "http://foresail-forecaster:8090"},
)


def load_settings(flags: Mapping[str, Any], *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from parsed flags, where None means not given; `config` names a YAML file.

    Raises:
        SettingsError: Something cannot be understood; names field, value and remedy.
    """
    given = {name: value for name, value in flags.items() if value is not None and name != "config"}
    config = flags.get("config")
    values = {} if config is None else GRAMMAR.understand(read_file(str(config)), str(config))
    values |= GRAMMAR.understand(given, "foresail operator")
    values.setdefault("lease_namespace", _own_namespace(environ) or values.get("namespace") or "default")
    settings = Settings(**values)
    steps = settings.history_hours * 3600 / settings.history_step_seconds
    if steps > MAX_HISTORY_STEPS:
        raise SettingsError(
            "foresail operator" if config is None else str(config),
            "history_step_seconds",
            f"makes {steps:.0f} steps of {settings.history_hours:g} hours of history",
            value=settings.history_step_seconds,
            remedy=f"choose at least {settings.history_hours * 3600 / MAX_HISTORY_STEPS:.0f}",
        )
    return settings


def _own_namespace(environ: Mapping[str, str]) -> str | None:
    """The namespace that this process runs in, if it runs in a pod."""
    named = environ.get("POD_NAMESPACE")
    if named:
        return named
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
