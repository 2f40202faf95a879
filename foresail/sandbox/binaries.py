"""Where the control plane's binaries are: somebody's folder, or what `make tools` built into the cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from foresail.domain.errors import ForesailError

NAMES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kwok",
    "prometheus",
    "promtool",
    "helm",
)


class BinariesMissingError(ForesailError):
    """No folder holds the binaries; the message says what to do."""


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where everything that is built lives; the same rule as in tools/build.py."""
    chosen = environment.get("FORESAIL_CACHE")
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(chosen) if chosen else Path(base) / "foresail"


def find_binaries(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds all of `NAMES`: `FORESAIL_TOOLS`, `KUBEBUILDER_ASSETS`, else the newest in the cache.

    Raises:
        BinariesMissingError: None does.
    """
    named = [Path(environment[name]) for name in ("FORESAIL_TOOLS", "KUBEBUILDER_ASSETS") if environment.get(name)]
    built = sorted((cache_folder(environment) / "tools").glob("bin-*"), key=lambda path: path.stat().st_mtime)
    for folder in [*named, *reversed(built)]:
        if all((folder / name).exists() for name in NAMES):
            return folder
    raise BinariesMissingError("the control plane's binaries are not built: run `make tools` (once, about ten minutes)")
