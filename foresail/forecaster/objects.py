"""The door to an object store: whole objects under a URL, listed, read, written and removed; only here is fsspec known.

A protocol is spoken by the package that fsspec names for it (s3fs, gcsfs, adlfs, …) where that is installed, else `s3`,
`gs` and `az` by obstore. Either finds its credentials by itself, in the environment or by the pod's identity.
"""

from __future__ import annotations

import re
from datetime import timedelta
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Final

from foresail.domain.errors import ForesailError, SettingsError
from foresail.forecaster.settings import STORES

OBSTORE: Final = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}  # what it speaks, and who is asked first
IDENTITY: Final = "give credentials in the environment, or an identity to the pod"
NO_IDENTITY: Final = re.compile(
    r"credential|permission|unauth|forbidden|denied|169\.254\.169\.254|metadata\.google", re.IGNORECASE
)
QUERY: Final = re.compile(r"\?[\w%-]+=\S*")  # of a URL, which may hold a signature
SHOWN: Final = 300
# Of obstore: done before the mirror's own deadline, so that the reason is the store's. Its client has no options from
# here, which would hide those in the environment.
RETRIES: Final = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}


class StoreError(ForesailError):
    """A store did not do what was asked of it; says which, and what it said."""


class Objects:
    """Objects by their names under one URL; every method may wait for a network.

    Args:
        url: Shown.
        files: A file system of fsspec.
        root: Where the URL leads in it.
    """

    def __init__(self, url: str, files: Any, root: str) -> None:
        self.url = url
        self._files = files
        self._root = root.rstrip("/")

    def names(self, place: str = "") -> list[str]:
        """What lies directly in a place, by the last part of its name; nothing where there is no such place.

        Raises:
            StoreError: It cannot be listed.
        """
        path = self._path(place)
        with _Border(self.url):
            self._files.invalidate_cache()
            try:
                found = self._files.ls(path, detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(
            {str(name).rstrip("/").rpartition("/")[2] for name in found if str(name).strip("/") != path.strip("/")}
        )

    def read(self, name: str) -> bytes:
        """A whole object.

        Raises:
            StoreError: It cannot be read.
        """
        with _Border(self.url):
            return bytes(self._files.cat_file(self._path(name)))

    def write(self, name: str, content: bytes) -> None:
        """Put a whole object in the place of what had its name.

        Raises:
            StoreError: It is not known to be there.
        """
        with _Border(self.url):
            self._files.pipe_file(self._path(name), content)

    def remove(self, name: str) -> None:
        """Remove an object.

        Raises:
            StoreError: It may be there yet.
        """
        with _Border(self.url):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")


def open_objects(url: str) -> Objects:
    """The objects under a URL; nothing is asked of the store yet.

    Raises:
        SettingsError: Nothing that is installed speaks its protocol, or what does needs to be told more.
    """
    try:
        with _Border(url):
            return Objects(url, *_find_files(url))
    except StoreError as error:
        problem, remedy = "cannot be opened", _remedy(url.partition("://")[0], error.__cause__)
        told = f"{problem} ({_first_line(error.__cause__)})"
        raise SettingsError("foresail forecaster", "artifacts", told, value=url, remedy=remedy) from error


def _find_files(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # noqa: PLC0415 - need not be there

    protocol = url.partition("://")[0]
    options: dict[str, Any] = {"auto_mkdir": True} if protocol in ("file", "local") else {}
    if protocol in OBSTORE and find_spec(OBSTORE[protocol]) is None:
        from obstore.fsspec import register  # noqa: PLC0415 - need not be there

        register(protocol)
        options = {"retry_config": RETRIES}
    return url_to_fs(url, **options)  # type: ignore[no-any-return]


def _remedy(protocol: str, cause: BaseException | None) -> str:
    if isinstance(cause, ImportError) and str(cause.name).partition(".")[0] in ("fsspec", "obstore"):
        return "install foresail[objects]"
    if isinstance(cause, ImportError):
        return f"install the package that speaks {protocol} beside foresail[objects]"
    if isinstance(cause, ValueError) and "not known" in str(cause):
        return f"write {STORES}"
    return f"{IDENTITY}, as the package that speaks {protocol} reads them"


class _Border:
    """Beyond it, whatever a store's library raises is a StoreError: their errors have no root in common."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, Exception):
            told = f"{type(error).__name__}: {_first_line(error)}"
            remedy = f"; {IDENTITY}" if NO_IDENTITY.search(told) else ""
            raise StoreError(f"{self._url}: {told}{remedy}") from error


def _first_line(error: BaseException | None) -> str:
    """What an error says, without the queries of its URLs, nor the pages that some add."""
    lines = str(error).strip().splitlines() or ["nothing more is known"]
    return QUERY.sub("?…", lines[0])[:SHOWN]
