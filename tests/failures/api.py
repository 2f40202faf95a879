"""The administrator's hands on the API server: JSON in and out, quick enough to be asked twenty times a second."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from foresail.sandbox.control_plane import ControlPlane

MERGE_PATCH = "application/merge-patch+json"


class RefusedError(Exception):
    """The API server said no; the message is what it said."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """A client that waits."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.url = control_plane.url
        self._token = control_plane.admin_token
        self._tls = ssl.create_default_context(cafile=str(control_plane.certificate_authority))

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One request; a PATCH merges."""
        try:
            with urllib.request.urlopen(self._request(method, path, body), timeout=10, context=self._tls) as answer:
                document: dict[str, Any] = json.loads(answer.read())
                return document
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            raise RefusedError(error.code, json.loads(text).get("message", text)) from error

    def find(self, path: str) -> dict[str, Any] | None:
        """An object, None when there is none."""
        try:
            return self.ask("GET", path)
        except RefusedError as error:
            if error.status != 404:
                raise
            return None

    def remove(self, path: str) -> None:
        """Delete an object, if it is there."""
        try:
            self.ask("DELETE", path)
        except RefusedError as error:
            if error.status != 404:
                raise

    def watch(self, path: str, since: str, seconds: float) -> Iterator[dict[str, Any]]:
        """Events of a collection after a resourceVersion, for so long at most."""
        query = f"{path}?watch=1&resourceVersion={since}&timeoutSeconds={seconds:.0f}"
        with urllib.request.urlopen(self._request("GET", query, None), timeout=seconds + 5, context=self._tls) as lines:
            for line in lines:
                yield json.loads(line)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> urllib.request.Request:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        headers["Content-Type"] = MERGE_PATCH if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
