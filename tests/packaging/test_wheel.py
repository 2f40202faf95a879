"""The wheel holds every module of the checkout, and every module can be imported from it alone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conftest import ROOT

LINKED = ("operator", "forecasting", "policies")  # they lie beside foresail/, which has links to them
IMPORT_ALL = """
import importlib, pathlib, sys
for name in sys.argv[2:]:
    module = importlib.import_module(name)
    place = module.__file__ or next(iter(module.__path__))
    assert pathlib.Path(place).is_relative_to(sys.argv[1]), f"{name} came from {place}"
"""


def files_of_the_checkout() -> set[str]:
    """Paths inside the package of everything that belongs in the wheel."""
    links = [ROOT / "foresail" / name for name in LINKED]
    own = [path for path in files_below(ROOT / "foresail") if not any(map(path.is_relative_to, links))]
    linked = [path for name in LINKED for path in files_below(ROOT / name)]
    return {str(path.relative_to(ROOT)) for path in own} | {f"foresail/{path.relative_to(ROOT)}" for path in linked}


def files_below(folder: Path) -> list[Path]:
    """Files of a folder but for bytecode."""
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def modules(files: Iterable[str]) -> list[str]:
    """Import names of the modules among files; a `__main__` is left out, since it runs when it is imported."""
    names = [file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in files if ".py" in file]
    return sorted(name for name in names if not name.endswith("__main__"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with what is installed: no network is needed."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_once_and_no_other(wheel: Path) -> None:
    files = [file for file in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in file]

    assert sorted(files) == sorted(files_of_the_checkout())


def test_nothing_that_hides_the_standard_librarys_operator_is_in_the_wheel(wheel: Path) -> None:
    files = zipfile.ZipFile(wheel).namelist()

    assert "foresail/operator/__init__.py" not in files
    assert not any(file.startswith("operator") for file in files)


def test_every_module_can_be_imported_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    # Without site-packages' links to the checkout, which an editable install adds, and with its other packages.
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(unpacked), packages])}

    done = subprocess.run(
        [sys.executable, "-S", "-c", IMPORT_ALL, unpacked, *modules(files_of_the_checkout())],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
