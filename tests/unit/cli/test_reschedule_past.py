"""Units that are too young, or that moved too recently, stay where they are and are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foresail.cli.main import main
from tests.unit.cli.allocation_cases import changed
from tests.unit.cli.reschedule_cases import PODS, VMS, answer, refusal, write

CASES = pytest.mark.parametrize(("case", "table"), [(VMS, "vms"), (PODS, "pods")], ids=["vms", "gpus"])


def planned(capsys: pytest.CaptureFixture[str], file: Path, *words: str) -> dict[str, Any]:
    return answer(capsys, "plan", str(file), "--moves", "3", *words)


def reasons(found: dict[str, Any]) -> dict[str, str]:
    return {one["unit"]: one["reason"] for one in found["skipped"]}


@CASES
@pytest.mark.parametrize(
    ("column", "option", "told"),
    [
        ("age_seconds", "--minimum-age", "too young: made less than 60 s ago"),
        ("moved_seconds_ago", "--cool-down", "moved less than 60 s ago"),
    ],
)
def test_who_has_not_rested_stays_and_is_named(
    case: dict[str, Any],
    table: str,
    column: str,
    option: str,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    units = case[table]["id"]
    moved = planned(capsys, write(tmp_path, case))["moves"][0]["unit"]
    seconds = [9.0 if unit == moved else 60 for unit in units]
    file = write(tmp_path, changed(case, f"{table}.{column}", seconds))
    found = planned(capsys, file, option, "60")
    assert moved not in [move["unit"] for move in found["moves"]]
    assert reasons(found) == {moved: told}
    for words in ((), (option, "9")):
        assert moved in [move["unit"] for move in planned(capsys, file, *words)["moves"]]


def test_who_never_moved_has_rested_and_who_is_pinned_is_called_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = changed(changed(VMS, "vms.movable", [1, 1, 1, 0]), "vms.moved_seconds_ago", [None, None, None, 0])
    found = planned(capsys, write(tmp_path, case), "--cool-down", "1000000")
    assert found["moves"]
    assert list(reasons(found)) == ["v3"]
    assert "pinned" in reasons(found)["v3"]


@CASES
def test_a_past_that_is_asked_for_and_is_not_there_is_refused(
    case: dict[str, Any], table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, case)
    for column, option in (("age_seconds", "--minimum-age"), ("moved_seconds_ago", "--cool-down")):
        line = refusal(capsys, "plan", str(file), "--moves", "3", option, "5")
        assert f"{file}: {table}.{column}: is missing" in line
        assert f"leave {option} out" in line


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("age_seconds", [1, 2, 3], "vms.age_seconds: has 3 items where id has 4"),
        ("age_seconds", [1, 2, None, 4], "vms.age_seconds[2]: is not a number"),
        ("age_seconds", [1, 2, -3, 4], "vms.age_seconds[2]: is negative"),
        ("moved_seconds_ago", [1, "x", None, 4], "vms.moved_seconds_ago[1]: is not a number"),
        ("moved_seconds_ago", 7, "vms.moved_seconds_ago: is not a list"),
    ],
)
def test_a_past_that_cannot_be_understood_is_refused(
    column: str, value: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, changed(VMS, f"vms.{column}", value))
    assert f"{file}: {said}" in refusal(capsys, "plan", str(file), "--moves", "3")


@pytest.mark.parametrize("option", ["--minimum-age", "--cool-down"])
def test_a_rest_that_is_no_time_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["reschedule", "plan", "x.json", "--moves", "3", option, "-1"])
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""
