"""Object stores that tests need: real file systems of fsspec, one of which can be made to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

FLAKY_URL = "flaky://bucket/prefix"


class FlakyFileSystem(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
    """fsspec's memory, apart from everybody else's, asking `fault` before everything."""

    protocol: ClassVar[str] = "flaky"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    fault: ClassVar[Callable[[str, str], object]] = staticmethod(lambda *_: None)
    written: ClassVar[list[str]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("flaky://")))

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        type(self).fault("ls", path)
        return super().ls(path, detail=detail, **kwargs)

    def cat_file(self, path: str, *arguments: Any, **kwargs: Any) -> Any:
        type(self).fault("get", path)
        return super().cat_file(path, *arguments, **kwargs)

    def pipe_file(self, path: str, value: bytes, *arguments: Any, **kwargs: Any) -> Any:
        type(self).fault("put", path)
        self.written.append(path)
        return super().pipe_file(path, value, *arguments, **kwargs)

    def rm_file(self, path: str) -> Any:
        type(self).fault("rm", path)
        return super().rm_file(path)


class VendorError(Exception):
    """As the libraries of vendors have them: of no root that anybody knows."""


def fail(*whats: str, of: str = "", error: Exception | None = None) -> None:
    """From now on, these fail, for names that end as `of` does; none: nothing fails."""

    def fault(what: str, path: str) -> None:
        if what in whats and path.endswith(of):
            raise error or VendorError("503 slow down")

    FlakyFileSystem.fault = staticmethod(fault)


@pytest.fixture
def flaky() -> Iterator[str]:
    """The URL of an empty store that can be made to fail."""
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    fail()
    for held in (FlakyFileSystem.store, FlakyFileSystem.written):
        held.clear()
    FlakyFileSystem.pseudo_dirs[:] = [""]
    yield FLAKY_URL
    fail()
