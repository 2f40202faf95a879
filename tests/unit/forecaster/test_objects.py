from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from foresail.domain.errors import SettingsError
from foresail.forecaster.objects import Objects, StoreError, open_objects
from tests.conftest import ROOT
from tests.unit.forecaster.stores import FlakyFileSystem, fail, flaky

__all__ = ["flaky"]


@pytest.fixture(params=["memory", "file"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    places = {"memory": f"memory://{uuid4()}/prefix", "file": f"file://{tmp_path}/there"}
    return open_objects(places[request.param])


def test_what_was_written_is_listed_and_read(objects: Objects) -> None:
    objects.write("prod/chat/1/card.json", b"one")
    objects.write("prod/chat/1/card.json", b"two")
    objects.write("prod/code/1/card.json", b"three")
    assert objects.names() == ["prod"]
    assert objects.names("prod") == ["chat", "code"]
    assert objects.names("prod/chat/1") == ["card.json"]
    assert objects.read("prod/chat/1/card.json") == b"two"


def test_where_nothing_is_nothing_is_listed(objects: Objects) -> None:
    assert objects.names() == []
    objects.write("prod/notes", b"")
    assert objects.names("prod/notes/more") == []


def test_what_was_removed_is_gone(objects: Objects) -> None:
    objects.write("prod/notes", b"")
    objects.remove("prod/notes")
    assert "notes" not in objects.names("prod")
    with pytest.raises(StoreError, match="FileNotFoundError"):
        objects.read("prod/notes")


def test_whatever_a_library_raises_is_the_stores_error_with_its_url(flaky: str) -> None:
    objects = open_objects(flaky)
    fail("ls", "get", "put", "rm")
    for ask in (objects.names, lambda: objects.read("a"), lambda: objects.write("a", b""), lambda: objects.remove("a")):
        with pytest.raises(StoreError, match="flaky://bucket/prefix: VendorError: 503 slow down"):
            ask()


@pytest.mark.parametrize("error", [PermissionError("403"), ValueError("Unable to locate credentials")])
def test_where_credentials_are_missing_that_is_said(flaky: str, error: Exception) -> None:
    fail("ls", error=error)
    with pytest.raises(StoreError, match="give credentials in the environment, or an identity to the pod"):
        open_objects(flaky).names()


def test_signatures_and_pages_of_an_error_are_not_shown(flaky: str) -> None:
    fail("get", error=OSError("GET https://there/a?sig=secret failed\nDebug source: pages"))
    with pytest.raises(StoreError) as caught:
        open_objects(flaky).read("a")
    assert str(caught.value) == "flaky://bucket/prefix: OSError: GET https://there/a?… failed"


def test_where_it_is_ended_it_ends(flaky: str) -> None:
    def end(what: str, path: str) -> None:
        raise KeyboardInterrupt

    FlakyFileSystem.fault = staticmethod(end)
    with pytest.raises(KeyboardInterrupt):
        open_objects(flaky).names()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nope://bucket", ["Protocol not known: nope", "s3://BUCKET/PREFIX"]),
        ("absent://bucket", ["Install nothing", "install the package that speaks absent beside foresail[objects]"]),
        ("picky://bucket", ["Must provide an account", "give credentials in the environment", "picky"]),
    ],
)
def test_what_cannot_be_opened_is_refused_with_what_is_to_be_done(
    url: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.registry import known_implementations  # noqa: PLC0415

    class Picky(fsspec.AbstractFileSystem):  # type: ignore[misc]
        def __init__(self) -> None:
            raise ValueError("Must provide an account")

    fsspec.register_implementation("picky", Picky, clobber=True)
    absent = {"class": "absent_package.Files", "err": "Install nothing to access it"}
    monkeypatch.setitem(known_implementations, "absent", absent)
    with pytest.raises(SettingsError) as caught:
        open_objects(url)
    assert all(word in str(caught.value) for word in ["artifacts", url, *words]), str(caught.value)


@pytest.mark.parametrize(
    ("url", "blocked", "remedy"),
    [
        ("memory://bucket", ["fsspec"], "install foresail[objects]"),
        ("s3://bucket", ["s3fs", "obstore"], "install foresail[objects]"),
        ("gcs://bucket", ["gcsfs", "obstore"], "install the package that speaks gcs beside foresail[objects]"),
    ],
)
def test_without_a_package_the_error_names_it(url: str, blocked: list[str], remedy: str) -> None:
    code = f"""
import sys
sys.modules |= dict.fromkeys({blocked})
from foresail.domain.errors import SettingsError
from foresail.forecaster.objects import open_objects
try:
    open_objects({url!r})
except SettingsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip().endswith(remedy)


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "gs://bucket/prefix"])
def test_s3_and_gs_are_spoken_without_any_further_package(url: str) -> None:
    assert open_objects(url).url == url
