"""How a run is split among worker processes (`pytest -n 2`): which tests go together, and in which order.

A worker that has nothing left to do takes the next unit: a file as a rule, or more of them when they share a cluster.
What waits for real time comes first, what computes for long follows, and short files fill up the end.
"""

from __future__ import annotations

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

UNITS = (  # in this order; then every other file, in random order
    (
        "tests/integration",
        "tests/manifests",
        "tests/failures",
        "tests/sandbox/test_control_plane.py",
        "tests/unit/operator/observe/test_foreign_writes.py",
    ),
    ("tests/e2e",),
    ("tests/sandbox/test_up.py",),
    ("tests/sandbox/test_attach.py",),
    ("tests/packaging/test_dockerfile.py",),
    ("tests/unit/forecasting/series/test_fisher.py",),
    ("tests/property/forecasting/test_future.py",),
    ("tests/unit/policies/test_attainment.py",),
    ("tests/unit/forecasting/demand/test_quality.py",),
    ("tests/unit/forecasting/series/test_evaluate.py",),
    ("tests/unit/forecasting/series/test_servegen.py",),
    ("tests/unit/policies/allocation/test_allocate_fleet.py",),
)


def place_of(node_id: str) -> int:
    """The place of a test's unit in the order, that behind the last for files on their own."""
    file = node_id.partition("::")[0]
    units = (place for place, unit in enumerate(UNITS) if any(f"{file}/".startswith(f"{path}/") for path in unit))
    return next(units, len(UNITS))


def unit_of(node_id: str) -> str:
    """The name of a test's unit."""
    place = place_of(node_id)
    return " ".join(UNITS[place]) if place < len(UNITS) else node_id.partition("::")[0]


class Split(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out units in the order of the tests that were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def pytest_configure(config: pytest.Config) -> None:
    """Let a worker calculate in one thread: as many as there are cores, in each of them, wait for each other."""
    if config.getoption("numprocesses", None):
        for library in ("OMP", "OPENBLAS", "MKL"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what the dots that follow are."""
    workers = len(config.getoption("tx") or ())
    return f"{workers} workers: what waits for real time comes first, file by file the rest" if workers else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the units in order, after everything was shuffled; all workers must come to the same order."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Split:
    """Take this split for every run that is split."""
    config.option.loadscopereorder = False  # by number of tests, which says nothing about time
    return Split(config, log)
