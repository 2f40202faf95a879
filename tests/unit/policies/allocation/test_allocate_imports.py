from __future__ import annotations

import subprocess
import sys

import pytest

# Every module but those of optional extras and of command lines that start on import.
WALK = """
import importlib, pkgutil, sys
import foresail
missing = []
for module in pkgutil.walk_packages(foresail.__path__, "foresail."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        missing.append(error.name)
print("modules", sum(name.startswith("foresail.") for name in sys.modules))
print("missing", *sorted(set(missing)))
print("solvers", *sorted({name.partition(".")[0] for name in sys.modules} & {"ortools", "pulp", "highspy", "scipy"}))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, list[str]]:
    run = subprocess.run([sys.executable, "-c", WALK], capture_output=True, text=True, check=True, timeout=120)
    return {line.split()[0]: line.split()[1:] for line in run.stdout.splitlines() if line}


def test_the_whole_package_knows_one_solver(answers: dict[str, list[str]]) -> None:
    """HiGHS and OR-Tools cannot be in one process, and CBC calls optimal what is not."""
    assert answers["solvers"] == ["highspy"]


def test_all_of_the_package_was_looked_at(answers: dict[str, list[str]]) -> None:
    assert int(answers["modules"][0]) > 100
    assert set(answers["missing"]) <= {"torch", "pyro", "safetensors", "matplotlib", "prometheus_api_client"}
