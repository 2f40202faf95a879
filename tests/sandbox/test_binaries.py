"""Whose binaries are used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from foresail.sandbox.binaries import NAMES, BinariesMissingError, find_binaries


def make_folder(folder: Path, *, built: float = 0.0, without: str = "") -> Path:
    folder.mkdir(parents=True)
    for name in NAMES:
        if name != without:
            (folder / name).touch()
    os.utime(folder, (built, built))
    return folder


def test_a_named_folder_goes_before_the_cache(tmp_path: Path) -> None:
    named = make_folder(tmp_path / "named")
    built = make_folder(tmp_path / "cache" / "tools" / "bin-1")
    cache = {"FORESAIL_CACHE": str(tmp_path / "cache")}
    assert find_binaries({**cache, "KUBEBUILDER_ASSETS": str(named)}) == named
    assert find_binaries(cache) == built


def test_a_named_folder_that_lacks_a_binary_is_passed_over(tmp_path: Path) -> None:
    named = make_folder(tmp_path / "named", without="kwok")
    built = make_folder(tmp_path / "foresail" / "tools" / "bin-1")
    assert find_binaries({"XDG_CACHE_HOME": str(tmp_path), "KUBEBUILDER_ASSETS": str(named)}) == built


def test_the_newest_build_of_the_cache_is_taken(tmp_path: Path) -> None:
    make_folder(tmp_path / "tools" / "bin-2", built=1000.0)
    newest = make_folder(tmp_path / "tools" / "bin-1", built=2000.0)
    assert find_binaries({"FORESAIL_CACHE": str(tmp_path)}) == newest


def test_without_any_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BinariesMissingError, match="make tools"):
        find_binaries({"FORESAIL_CACHE": str(tmp_path)})
