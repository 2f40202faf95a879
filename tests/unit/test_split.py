from __future__ import annotations

from tests.conftest import ROOT
from tests.split import UNITS, place_of, unit_of


def test_every_path_that_is_named_is_there() -> None:
    assert [path for unit in UNITS for path in unit if not (ROOT / path).exists()] == []


def test_what_shares_a_cluster_goes_together() -> None:
    one = unit_of("tests/integration/test_writes.py::test_news_is_counted_in_one_event")
    assert unit_of("tests/manifests/test_alerts.py::test_every_alert_fires[x::y]") == one
    assert unit_of("tests/sandbox/test_control_plane.py::test_objects") == one
    assert unit_of("tests/failures/test_clock.py::test_clock[clock set back]") == one
    assert unit_of("tests/e2e/test_ramp.py::test_the_morning_keeps_the_slo") != one  # it has a cluster of its own


def test_other_files_are_units_of_their_own() -> None:
    assert unit_of("tests/unit/test_split.py::test_a[tests/e2e::b]") == "tests/unit/test_split.py"
    assert unit_of("tests/sandbox/test_up.pyx::test") == "tests/sandbox/test_up.pyx"


def test_what_waits_comes_before_what_computes() -> None:
    files = ["tests/unit/test_split.py", "tests/e2e/test_ramp.py", "tests/failures/test_clock.py"]
    assert sorted(files, key=place_of) == files[::-1]
