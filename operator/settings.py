"""The operator's settings: flags over a YAML file over defaults, refused with field, value and remedy.

The file's keys are the fields' names; `prometheus` and `listen` (host:port) are written as their flags are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from foresail.domain.errors import SettingsError

DEFAULT_PROMETHEUS_URL: Final = "http://prometheus-operated.monitoring.svc:9090"  # as kube-prometheus-stack names it
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
}
MAX_HISTORY_STEPS: Final = 20_000  # half a megabyte for each workload
WHOLE: Final = frozenset({"listen_port", "prometheus_max_bytes"})
FILES: Final = frozenset({"kubeconfig", "prometheus_bearer_token_file", "prometheus_ca_file"})
FIELDS: Final = frozenset(entry.name for entry in fields(Settings))


def load_settings(flags: Mapping[str, Any], *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from parsed flags, where None means not given; `config` names a YAML file.

    Raises:
        SettingsError: Something cannot be understood; names field, value and remedy.
    """
    given = {name: value for name, value in flags.items() if value is not None and name != "config"}
    config = flags.get("config")
    values = {} if config is None else _understand(_read_file(str(config)), str(config))
    values |= _understand(given, "foresail operator")
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


def _read_file(path: str) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(path, "file", "cannot be read", value=str(error), remedy="name a readable file") from error
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise SettingsError(path, "file", "is not YAML", value=problem, remedy="correct it there") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(path, "file", "is no mapping", value=document, remedy="write `field: value` lines")
    return document


def _understand(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    understood: dict[str, Any] = {}
    for name, value in values.items():
        if name == "listen":
            understood |= _read_listen(value, source)
        else:
            field_name = "prometheus_url" if name == "prometheus" else name
            understood[field_name] = _read_value(field_name, value, source)
    return understood


def _read_value(name: str, value: Any, source: str) -> Any:
    if name not in FIELDS:
        known = sorted(FIELDS | {"prometheus", "listen"})
        close = get_close_matches(str(name), known, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        raise SettingsError(source, str(name), "is not a setting", value=value, remedy=remedy)
    if name in LIMITS:
        return _read_number(name, value, source)
    if name == "prometheus_headers":
        return _read_headers(name, value, source)
    text = _read_text(name, value, source)
    if name == "prometheus_url":
        return _read_url(name, text, source)
    if name in FILES and not Path(text).is_file():
        raise SettingsError(source, name, "is no file", value=text, remedy="name a file that exists")
    return text


def _read_number(name: str, value: Any, source: str) -> float | int:
    least, most = LIMITS[name]
    if name in WHOLE and isinstance(value, float) and value.is_integer():
        value = int(value)  # Helm writes large whole numbers as 1.6777216e+07
    kinds = (int,) if name in WHOLE else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
        kind = "whole number" if name in WHOLE else "number"
        raise SettingsError(source, name, f"is no {kind}", value=value, remedy=f"write a {kind} without quotes")
    if not least <= value <= most:
        raise SettingsError(
            source, name, "is out of range", value=value, remedy=f"choose one from {least:g} to {most:g}"
        )
    return value if name in WHOLE else float(value)


def _read_text(name: str, value: Any, source: str) -> str:
    if not isinstance(value, str) or not value.strip() or any(ord(character) < 32 for character in value):
        raise SettingsError(source, name, "is no text of one line", value=value, remedy="write a text, or leave it out")
    return value.strip()


def _read_headers(name: str, value: Any, source: str) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise SettingsError(source, name, "is no mapping", value=value, remedy="write `Name: value` lines")
    return MappingProxyType({str(key): _read_text(f"{name}.{key}", text, source) for key, text in value.items()})


def _read_url(name: str, text: str, source: str) -> str:
    remedy = f"write it like {DEFAULT_PROMETHEUS_URL}"
    try:
        parts = urlsplit(text)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError as error:
        raise SettingsError(source, name, f"is no URL ({error})", value=text, remedy=remedy) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_right or " " in text:
        raise SettingsError(source, name, "is no http or https URL", value=text, remedy=remedy)
    if parts.username is not None or parts.password is not None:
        shown = text.replace(parts.netloc, parts.netloc.rpartition("@")[2])
        raise SettingsError(
            source,
            name,
            "holds credentials",
            value=shown,
            remedy="give them by prometheus_bearer_token_file or headers",
        )
    if parts.query or parts.fragment:
        raise SettingsError(source, name, "has a query or fragment", value=text, remedy=remedy)
    return text.rstrip("/")


def _read_listen(value: Any, source: str) -> dict[str, Any]:
    host, colon, port = _read_text("listen", value, source).rpartition(":")
    if not colon or not port.isdecimal():
        raise SettingsError(source, "listen", "is no host:port", value=value, remedy="write it like 127.0.0.1:8080")
    number = _read_number("listen_port", int(port), source)
    return {"listen_host": host.strip("[]") or "0.0.0.0", "listen_port": number}  # noqa: S104 - ":8080" asks for all


def _own_namespace(environ: Mapping[str, str]) -> str | None:
    """The namespace that this process runs in, if it runs in a pod."""
    named = environ.get("POD_NAMESPACE")
    if named:
        return named
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
