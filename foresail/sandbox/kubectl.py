"""The administrator's hands: kubectl against the sandbox (or the user's cluster)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foresail.domain.errors import ForesailError


class KubectlError(ForesailError):
    """kubectl said no; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with one kubeconfig. None: the user's own."""

    program: Path | str
    kubeconfig: Path | None

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return its output.

        Raises:
            KubectlError: It failed.
        """
        login = [] if self.kubeconfig is None else ["--kubeconfig", str(self.kubeconfig)]
        done = subprocess.run(
            [str(self.program), *login, *arguments], input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise KubectlError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Apply objects."""
        bundle = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.run("apply", "--server-side", "-f", "-", stdin=json.dumps(bundle))

    def create(self, manifests: Iterable[Mapping[str, Any]]) -> None:
        """Create many objects at once."""
        self.run("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get … -o json`."""
        answer: dict[str, Any] = json.loads(self.run("get", *arguments, "-o", "json"))
        return answer
