"""What a person may write in settings: names, numbers, texts, URLs, files; refused with field, value and remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from foresail.domain.errors import SettingsError

DEFAULT_PROMETHEUS_URL: Final = "http://prometheus-operated.monitoring.svc:9090"  # as kube-prometheus-stack names it


@dataclass(frozen=True, slots=True)
class Grammar:
    """What one program's settings may say; a text unless something else is known of it.

    Args:
        fields: Every name.
        limits: Least and most of each number.
        whole: Numbers that are whole.
        files: Names of files that exist.
        urls: URLs, each with an example; `x_url` may be written as `x`, as its flag is.
        listen: An example of `listen`, which is written host:port.
    """

    fields: frozenset[str]
    limits: Mapping[str, tuple[float, float]]
    whole: frozenset[str]
    files: frozenset[str]
    urls: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({"prometheus_url": DEFAULT_PROMETHEUS_URL})
    )
    listen: str = "127.0.0.1:8080"

    def understand(self, values: Mapping[str, Any], source: str) -> dict[str, Any]:
        """The settings that `values`, which `source` holds, say.

        Raises:
            SettingsError: Something cannot be understood.
        """
        understood: dict[str, Any] = {}
        for name, value in values.items():
            if name == "listen":
                understood |= self._read_listen(value, source)
            else:
                field_name = f"{name}_url" if f"{name}_url" in self.urls else name
                understood[field_name] = self._read(field_name, value, source)
        return understood

    def _read(self, name: str, value: Any, source: str) -> Any:
        if name not in self.fields:
            known = sorted(self.fields | {"listen"} | {url.removesuffix("_url") for url in self.urls})
            close = get_close_matches(str(name), known, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise SettingsError(source, str(name), "is not a setting", value=value, remedy=remedy)
        if name in self.limits:
            return self._read_number(name, value, source)
        if name.endswith("_headers"):
            return _read_headers(name, value, source)
        text = _read_text(name, value, source)
        if name in self.urls:
            return _read_url(name, text, source, example=self.urls[name])
        if name in self.files and not Path(text).is_file():
            raise SettingsError(source, name, "is no file", value=text, remedy="name a file that exists")
        return text

    def _read_number(self, name: str, value: Any, source: str) -> float | int:
        least, most = self.limits[name]
        whole = name in self.whole
        if whole and isinstance(value, float) and value.is_integer():
            value = int(value)  # Helm writes large whole numbers as 1.6777216e+07
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            kind = "whole number" if whole else "number"
            raise SettingsError(source, name, f"is no {kind}", value=value, remedy=f"write a {kind} without quotes")
        if not least <= value <= most:
            remedy = f"choose one from {least:g} to {most:g}"
            raise SettingsError(source, name, "is out of range", value=value, remedy=remedy)
        return value if whole else float(value)

    def _read_listen(self, value: Any, source: str) -> dict[str, Any]:
        host, colon, port = _read_text("listen", value, source).rpartition(":")
        if not colon or not port.isdecimal():
            remedy = f"write it like {self.listen}"
            raise SettingsError(source, "listen", "is no host:port", value=value, remedy=remedy)
        number = self._read_number("listen_port", int(port), source)
        return {"listen_host": host.strip("[]") or "0.0.0.0", "listen_port": number}  # noqa: S104 - ":8080" asks for all


def read_file(path: str) -> Mapping[str, Any]:
    """A YAML file of `field: value` lines.

    Raises:
        SettingsError: It cannot be read, or is something else.
    """
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


def _read_text(name: str, value: Any, source: str) -> str:
    if not isinstance(value, str) or not value.strip() or any(ord(character) < 32 for character in value):
        raise SettingsError(source, name, "is no text of one line", value=value, remedy="write a text, or leave it out")
    return value.strip()


def _read_headers(name: str, value: Any, source: str) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise SettingsError(source, name, "is no mapping", value=value, remedy="write `Name: value` lines")
    return MappingProxyType({str(key): _read_text(f"{name}.{key}", text, source) for key, text in value.items()})


def _read_url(name: str, text: str, source: str, *, example: str) -> str:
    remedy = f"write it like {example}"
    try:
        parts = urlsplit(text)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError as error:
        raise SettingsError(source, name, f"is no URL ({error})", value=text, remedy=remedy) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_right or " " in text:
        raise SettingsError(source, name, "is no http or https URL", value=text, remedy=remedy)
    if parts.username is not None or parts.password is not None:
        shown = text.replace(parts.netloc, parts.netloc.rpartition("@")[2])
        remedy = "give them by a token file or headers, where the settings know of them"
        raise SettingsError(source, name, "holds credentials", value=shown, remedy=remedy)
    if parts.query or parts.fragment:
        raise SettingsError(source, name, "has a query or fragment", value=text, remedy=remedy)
    return text.rstrip("/")
