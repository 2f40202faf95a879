"""Which objects the watches have told of: identity and version, enough to find what they did not tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from foresail.operator.kinds import Kind


class _Entry(NamedTuple):
    uid: str
    resource_version: str
    api_version: str
    kind: str


_Name = tuple[str, str]  # namespace ("" for cluster-scoped) and name


class Ledger:
    """Objects by kind and name."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], dict[_Name, _Entry]] = {}

    def note(self, event_type: str | None, body: Mapping[str, Any]) -> None:
        """Take in one event."""
        metadata = body["metadata"]
        entries = self._entries.setdefault(_key(body), {})
        name = (metadata.get("namespace", ""), metadata["name"])
        if event_type != "DELETED":
            entries[name] = _Entry(metadata["uid"], metadata["resourceVersion"], body["apiVersion"], body["kind"])
        elif name in entries and entries[name].uid == metadata["uid"]:
            del entries[name]

    def count(self, kind: Kind) -> int:
        """How many objects of a kind are known."""
        return len(self.snapshot(kind))

    def snapshot(self, kind: Kind) -> Mapping[_Name, _Entry]:
        """The objects of a kind as they are known now."""
        return dict(self._entries.get((kind.group, kind.plural), {}))

    def difference(
        self, kind: Kind, before: Mapping[_Name, _Entry], listed: Iterable[Mapping[str, Any]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Events that make what was known `before` a listing into what was listed; what changed since is newer."""
        now = self.snapshot(kind)
        there = {(body["metadata"].get("namespace", ""), body["metadata"]["name"]): body for body in listed}
        for name, entry in before.items():
            if name not in there and now.get(name) == entry:
                yield "DELETED", _tombstone(name, entry)
        for name, body in there.items():
            known = before.get(name)
            if now.get(name) == known and (known is None or known.resource_version != _version(body)):
                yield ("ADDED" if known is None else "MODIFIED"), dict(body)


def _key(body: Mapping[str, Any]) -> tuple[str, str]:
    # Every watched kind's plural is its name in lower case with an s.
    group, _, _ = body["apiVersion"].rpartition("/")
    return group, body["kind"].lower() + "s"


def _version(body: Mapping[str, Any]) -> str:
    return str(body["metadata"]["resourceVersion"])


def _tombstone(name: _Name, entry: _Entry) -> dict[str, Any]:
    namespace = {"namespace": name[0]} if name[0] else {}
    return {
        "apiVersion": entry.api_version,
        "kind": entry.kind,
        "metadata": {"name": name[1], "uid": entry.uid, "resourceVersion": entry.resource_version, **namespace},
    }
