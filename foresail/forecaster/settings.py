"""The forecaster's settings: flags over a YAML file over defaults, read as the operator's are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from foresail.domain.errors import SettingsError
from foresail.operator.values import DEFAULT_PROMETHEUS_URL, Grammar, read_file

SEPARATOR: Final = "://"
STORES: Final = "a URL like s3://BUCKET/PREFIX, gs://…, az://… or file:///FOLDER"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the person who runs the forecaster decides.

    Args:
        prometheus_url: Root of a Prometheus, Thanos or Mimir query API.
        artifacts: Folder of everything that is kept, or the URL of an object store that copies of it are kept in.
        working_copy: Folder of everything that is kept where `artifacts` is a URL; one forecaster at a time uses it.
        listen_host: Address on which forecasts are served.
        listen_port: Port of the same; 0 takes a free one.
        train_every_seconds: Between two trainings of a workload.
        training_seconds: Longest that one training may take; then it is killed.
        history_hours: How much of the past is trained on.
        forget_hours: A workload that was not asked for so long is forgotten, with its artifacts.
        scrape_interval_seconds: How often Prometheus scrapes the engines; None: it is measured.
        prometheus_timeout_seconds: For one query.
        prometheus_bearer_token_file: Read anew for every training.
        prometheus_ca_file: Authorities that Prometheus' certificate may come from; None: the system's.
        prometheus_headers: Sent with every query (tenants, gateways).
        max_request_bytes: Longest request that is read.
    """

    prometheus_url: str = DEFAULT_PROMETHEUS_URL
    artifacts: str = "artifacts"
    working_copy: str = "artifacts"
    listen_host: str = "127.0.0.1"
    listen_port: int = 8090
    train_every_seconds: float = 21_600.0
    training_seconds: float = 1800.0
    history_hours: float = 72.0
    forget_hours: float = 168.0
    scrape_interval_seconds: float | None = None
    prometheus_timeout_seconds: float = 60.0
    prometheus_bearer_token_file: str | None = None
    prometheus_ca_file: str | None = None
    prometheus_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    max_request_bytes: int = 16 * 2**20

    @property
    def store_url(self) -> str | None:
        """The object store that copies are kept in, None: there is none."""
        return self.artifacts if SEPARATOR in self.artifacts else None

    @property
    def folder(self) -> Path:
        """Where everything is kept."""
        return Path(self.artifacts if self.store_url is None else self.working_copy)


# Least and most of each number.
LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "listen_port": (0, 65535),
    "train_every_seconds": (1.0, 30 * 86_400.0),
    "training_seconds": (1.0, 86_400.0),
    "history_hours": (1.0, 24.0 * 366),
    "forget_hours": (1.0, 24.0 * 366),
    "scrape_interval_seconds": (0.1, 3600.0),
    "prometheus_timeout_seconds": (0.1, 600.0),
    "max_request_bytes": (1024, 2**30),
}
GRAMMAR: Final = Grammar(
    fields=frozenset(entry.name for entry in fields(Settings)),
    limits=LIMITS,
    whole=frozenset({"listen_port", "max_request_bytes"}),
    files=frozenset({"prometheus_bearer_token_file", "prometheus_ca_file"}),
    listen="127.0.0.1:8090",
)


def load_settings(flags: Mapping[str, Any]) -> Settings:
    """Settings from parsed flags, where None means not given; `config` names a YAML file.

    Raises:
        SettingsError: Something cannot be understood; names field, value and remedy.
    """
    given = {name: value for name, value in flags.items() if value is not None and name != "config"}
    config = flags.get("config")
    values = {} if config is None else GRAMMAR.understand(read_file(str(config)), str(config))
    settings = Settings(**(values | GRAMMAR.understand(given, "foresail forecaster")))
    if settings.store_url is not None:
        _check_store(settings.store_url)
    return settings


def _check_store(url: str) -> None:
    """Refuse what is no URL of a store, and what should not be written down."""
    scheme, _, place = url.partition(SEPARATOR)
    problem, shown = "", url
    if not scheme.isalnum() or not scheme.islower():
        problem = "begins with no protocol"
    elif scheme in ("http", "https"):
        problem = "is of a web server, which keeps nothing"
    elif "@" in place.partition("/")[0]:
        problem, shown = "holds credentials", f"{scheme}{SEPARATOR}…@{place.partition('@')[2]}"
    elif not place.strip("/") or any(sign in place for sign in "?# "):
        problem = "names no place in a store"
    if problem:
        remedy = f"write a folder, or {STORES}; credentials are found in the environment"
        raise SettingsError("foresail forecaster", "artifacts", problem, value=shown, remedy=remedy)
