"""S3 as it is spoken without any further package: by obstore, over HTTP, with what is in the environment."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pytest

from foresail.forecaster.objects import StoreError, open_objects
from tests.fakes.s3 import FakeS3

pytest.importorskip("obstore", reason="obstore is not installed: foresail[objects]")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    with FakeS3("models") as fake:
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        yield fake
        fsspec.get_filesystem_class("s3").clear_instance_cache()  # which holds the port


def test_objects_are_listed_read_written_and_removed(s3: FakeS3) -> None:
    objects = open_objects("s3://models/prod")
    assert objects.names() == []
    for name in ("prod/chat/1/card.json", "prod/chat/2/card.json", "prod/code/1/card.json"):
        objects.write(name, name.encode())
    assert set(s3.objects) == {f"prod/{name}/card.json" for name in ("prod/chat/1", "prod/chat/2", "prod/code/1")}
    assert (objects.names(), objects.names("prod"), objects.names("prod/chat")) == (
        ["prod"],
        ["chat", "code"],
        ["1", "2"],
    )
    assert objects.names("prod/chat/1") == ["card.json"]
    assert objects.read("prod/chat/1/card.json") == b"prod/chat/1/card.json"

    objects.write("prod/chat/1/card.json", b"again")
    assert objects.read("prod/chat/1/card.json") == b"again"
    objects.remove("prod/chat/1/card.json")
    assert objects.names("prod/chat") == ["2"]
    with pytest.raises(StoreError, match="FileNotFoundError"):
        objects.read("prod/chat/1/card.json")


def test_a_bucket_that_is_not_there_is_an_error(s3: FakeS3) -> None:
    with pytest.raises(StoreError, match=r"s3://elsewhere/prod: .*404"):
        open_objects("s3://elsewhere/prod").names()


@pytest.mark.parametrize("status", [403, 503])
def test_what_the_store_refuses_is_an_error_in_one_line(s3: FakeS3, status: int) -> None:
    objects = open_objects("s3://models/prod")
    s3.status = status
    for ask in (objects.names, lambda: objects.read("a"), lambda: objects.write("a", b""), lambda: objects.remove("a")):
        with pytest.raises(StoreError) as caught:
            ask()
        assert "\n" not in str(caught.value)
        assert ("give credentials in the environment" in str(caught.value)) == (status == 403)


def test_wrong_credentials_are_said(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    with pytest.raises(StoreError, match="give credentials in the environment, or an identity to the pod"):
        open_objects("s3://models/prod").names()
