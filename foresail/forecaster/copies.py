"""Copies of artifacts in an object store: `NAMESPACE/NAME/STAMP/` as on the shelf, and what the register knows of it.

The card is written last and removed first: where there is a card, all that belongs to it is there. What is cut or
changed is found by the digests when it is put on the shelf.
"""

from __future__ import annotations

import re
import shutil
from logging import getLogger
from pathlib import Path
from typing import Final

from foresail.domain.workload import WorkloadKey
from foresail.forecaster.objects import Objects, StoreError
from foresail.forecaster.shelf import KEPT, PAST_FILE
from foresail.forecasting.card import CARD_FILE, WEIGHTS_FILE

ENTRY_FILE: Final = "workload.json"  # of the register
FILES: Final = (WEIGHTS_FILE, PAST_FILE, ENTRY_FILE, CARD_FILE)  # in the order in which they are written
NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")  # what a folder may be called here
STAMP: Final = re.compile(r"[0-9]{15}")

logger = getLogger(__name__)


class Copies:
    """All copies in one store; every method may wait for a network, and raises StoreError."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.url = objects.url

    def workloads(self) -> list[WorkloadKey]:
        """The workloads of which there may be copies."""
        namespaces = [name for name in self._objects.names() if NAME.fullmatch(name)]
        found = [(namespace, name) for namespace in namespaces for name in self._objects.names(namespace)]
        return [WorkloadKey(namespace, name) for namespace, name in found if NAME.fullmatch(name)]

    def stamps(self, key: WorkloadKey) -> list[str]:
        """The trainings of a workload that are there whole, the newest first."""
        return [stamp for stamp, is_whole in self._look_through(key).items() if is_whole]

    def store(self, key: WorkloadKey, folder: Path, entry: bytes) -> None:
        """Copy an artifact from the shelf.

        Args:
            key: Whose it is.
            folder: Named by its stamp.
            entry: What the register knows of it; empty: nothing.

        Raises:
            OSError: The folder cannot be read.
        """
        contents = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in FILES}
        if entry:
            contents[ENTRY_FILE] = entry
        place = f"{_place(key)}/{folder.name}"
        for name in FILES:
            if name in contents:
                self._objects.write(f"{place}/{name}", contents[name])
        self._remove_old(key, folder.name)

    def fetch(self, key: WorkloadKey, stamp: str, into: Path) -> bytes:
        """Copy an artifact into a folder, to be checked there; returns what a register knew of it, empty: nothing.

        Raises:
            OSError: The folder cannot be written.
        """
        place = f"{_place(key)}/{stamp}"
        there = [name for name in self._objects.names(place) if name in FILES]
        contents = {name: self._objects.read(f"{place}/{name}") for name in there}
        entry = contents.pop(ENTRY_FILE, b"")
        shutil.rmtree(into, ignore_errors=True)  # of a copy that took too long
        into.mkdir(parents=True)
        for name, content in contents.items():
            (into / name).write_bytes(content)
        return entry

    def remove(self, key: WorkloadKey, stamp: str) -> None:
        """Remove a copy, whole or not."""
        place = f"{_place(key)}/{stamp}"
        there = self._objects.names(place)
        for name in reversed(FILES):
            if name in there:
                self._objects.remove(f"{place}/{name}")

    def _look_through(self, key: WorkloadKey) -> dict[str, bool]:
        """Every training, the newest first, and whether it is there whole."""
        stamps = [name for name in self._objects.names(_place(key)) if STAMP.fullmatch(name)]
        return {
            stamp: CARD_FILE in self._objects.names(f"{_place(key)}/{stamp}") for stamp in sorted(stamps, reverse=True)
        }

    def _remove_old(self, key: WorkloadKey, fresh: str) -> None:
        """Remove what is older than the newest whole ones; a store that lets nothing be removed is filled, and used."""
        try:
            found = self._look_through(key)
            kept = [stamp for stamp, is_whole in found.items() if is_whole][:KEPT]
            for stamp in found:
                if len(kept) == KEPT and stamp < kept[-1] and stamp != fresh:
                    self.remove(key, stamp)
        except StoreError as error:
            logger.warning("old copies of %s are not removed: %s", key, error)


def _place(key: WorkloadKey) -> str:
    return f"{key.namespace}/{key.name}"
