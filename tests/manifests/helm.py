"""Real Helm, and what it renders."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

CHART = ROOT / "helm" / "foresail"

Manifest = dict[str, Any]


class HelmError(Exception):
    """Helm said no; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Helm:
    """Helm with one kubeconfig (None: rendering only) and its own home."""

    program: Path
    home: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str | Path, values: Manifest | None = None) -> str:
        """Run Helm and return its output.

        Raises:
            HelmError: It failed.
        """
        homes = {f"HELM_{kind}_HOME": str(self.home / kind) for kind in ("CACHE", "CONFIG", "DATA")}
        login = {"KUBECONFIG": str(self.kubeconfig or os.devnull)}
        extra = ["--values", "-"] if values is not None else []
        done = subprocess.run(
            [self.program, *arguments, *extra],
            env={**os.environ, **homes, **login},
            input=yaml.safe_dump(values),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise HelmError(done.stderr.strip())
        return done.stdout

    def template(self, values: Manifest | None = None, *, namespace: str = "foresail-system") -> list[Manifest]:
        """The objects of a release called foresail."""
        text = self.run("template", "foresail", CHART, "--namespace", namespace, values=values or {})
        return [document for document in yaml.safe_load_all(text) if document]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """The objects of some kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def only(manifests: list[Manifest], kind: str) -> Manifest:
    """The one object of a kind."""
    (manifest,) = of_kind(manifests, kind)
    return manifest
