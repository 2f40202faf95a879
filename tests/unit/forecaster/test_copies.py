from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from foresail.forecaster.copies import ENTRY_FILE, Copies
from foresail.forecaster.objects import Objects, StoreError, open_objects
from foresail.forecaster.shelf import KEPT, PAST_FILE
from foresail.forecasting.card import CARD_FILE, WEIGHTS_FILE
from tests.conftest import ROOT
from tests.unit.forecaster.artifacts import KEY, write_artifact
from tests.unit.forecaster.stores import FlakyFileSystem, fail, flaky

__all__ = ["flaky"]


def store(copies: Copies, folder: Path, stamp: int) -> Path:
    artifact = write_artifact(folder / f"{stamp:015d}")
    copies.store(KEY, artifact, b"{}")
    return artifact


def listed(objects: Objects) -> list[int]:
    return [int(name) for name in objects.names("prod/chat")]


def test_what_was_stored_is_fetched_as_it_was(flaky: str, tmp_path: Path) -> None:
    copies = Copies(open_objects(flaky))
    artifact = store(copies, tmp_path, 1)
    assert (copies.workloads(), copies.stamps(KEY)) == ([KEY], [artifact.name])

    assert copies.fetch(KEY, artifact.name, tmp_path / "into") == b"{}"
    before, after = (
        {path.name: path.read_bytes() for path in each.iterdir()} for each in (artifact, tmp_path / "into")
    )
    assert before == after
    assert len(after) == 3


def test_the_card_is_written_last_and_removed_first(flaky: str, tmp_path: Path) -> None:
    copies = Copies(open_objects(flaky))
    artifact = store(copies, tmp_path, 1)
    written = [path.rpartition("/")[2] for path in FlakyFileSystem.written]
    assert written == [WEIGHTS_FILE, PAST_FILE, ENTRY_FILE, CARD_FILE]

    fail("rm", of=WEIGHTS_FILE)
    with pytest.raises(StoreError):
        copies.remove(KEY, artifact.name)
    assert copies.stamps(KEY) == []
    fail()
    copies.remove(KEY, artifact.name)
    assert copies.workloads() == []


def test_who_is_killed_before_the_card_has_stored_nothing_that_is_seen(tmp_path: Path) -> None:
    artifact, there = write_artifact(tmp_path / f"{1:015d}"), tmp_path / "there"
    code = f"""
import os, signal
from pathlib import Path
from fsspec.implementations.local import LocalFileSystem
from foresail.domain.workload import WorkloadKey
from foresail.forecaster.copies import Copies
from foresail.forecaster.objects import Objects

class Mortal(LocalFileSystem):
    def pipe_file(self, path, value, **kwargs):
        if path.endswith("{CARD_FILE}"):
            os.kill(os.getpid(), signal.SIGKILL)
        super().pipe_file(path, value, **kwargs)

objects = Objects("", Mortal(auto_mkdir=True), {str(there)!r})
Copies(objects).store(WorkloadKey(*{tuple(KEY)}), Path({str(artifact)!r}), b"")
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert (there / "prod" / "chat" / artifact.name / WEIGHTS_FILE).exists()

    copies = Copies(open_objects(f"file://{there}"))
    assert (copies.workloads(), copies.stamps(KEY)) == ([KEY], [])
    copies.store(KEY, artifact, b"")
    assert copies.stamps(KEY) == [artifact.name]


def test_old_copies_go_and_the_newest_whole_ones_stay(flaky: str, tmp_path: Path) -> None:
    objects = open_objects(flaky)
    copies = Copies(objects)
    for stamp in range(1, 5):
        store(copies, tmp_path, stamp)
    assert listed(objects) == [3, 4]

    objects.write(f"prod/chat/{9:015d}/{WEIGHTS_FILE}", b"half of another forecaster's")
    store(copies, tmp_path, 5)
    assert listed(objects) == [4, 5, 9]
    assert len(copies.stamps(KEY)) == KEPT


def test_what_another_forecaster_is_storing_stays_while_there_is_little_else(flaky: str, tmp_path: Path) -> None:
    objects = open_objects(flaky)
    objects.write(f"prod/chat/{1:015d}/{WEIGHTS_FILE}", b"before its card")
    store(Copies(objects), tmp_path, 2)
    assert listed(objects) == [1, 2]


def test_what_was_just_stored_stays_whatever_else_is_there(flaky: str, tmp_path: Path) -> None:
    """A forecaster whose clock is late, beside others."""
    objects = open_objects(flaky)
    for stamp in (7, 8, 5):
        store(Copies(objects), tmp_path, stamp)
    assert listed(objects) == [5, 7, 8]


def test_a_store_that_lets_nothing_be_removed_is_used(flaky: str, tmp_path: Path) -> None:
    objects = open_objects(flaky)
    fail("rm", error=PermissionError("403"))
    for stamp in range(1, 5):
        store(Copies(objects), tmp_path, stamp)
    assert listed(objects) == [1, 2, 3, 4]


def test_strange_names_in_the_store_hurt_nothing(flaky: str, tmp_path: Path) -> None:
    objects = open_objects(flaky)
    copies = Copies(objects)
    for name in (
        "README",
        "workloads.json",
        ".refused/prod/chat/card.json",
        "Prod/chat/1/card.json",
        "prod/.x/1/card.json",
    ):
        objects.write(name, b"")
    objects.write(f"prod/chat/notes/{CARD_FILE}", b"")
    objects.write(f"prod/chat/{'٣' * 15}/{CARD_FILE}", b"")
    assert copies.stamps(KEY) == []
    assert set(copies.workloads()) <= {KEY, ("workloads.json", "workloads.json")}
    assert [stamp for key in copies.workloads() for stamp in copies.stamps(key)] == []
    artifact = store(copies, tmp_path, 1)
    objects.write(f"prod/chat/{artifact.name}/evil.sh", b"")
    copies.fetch(KEY, artifact.name, tmp_path / "into")
    assert not (tmp_path / "into" / "evil.sh").exists()
