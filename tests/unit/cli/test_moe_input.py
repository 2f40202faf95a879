"""What `foresail moe plan` cannot understand: one line that names the field, the value and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foresail.cli.main import main
from tests.unit.cli.moe_cases import GROW, refused, write

LAYERS = GROW | {"loads": [GROW["loads"]] * 2, "current": [GROW["current"]] * 2}


@pytest.mark.parametrize(
    ("case", "told"),
    [
        (GROW | {"gpus": 1}, "gpus: is too few: 3 experts in 2 slots of each GPU, got 1; it needs at least 2"),
        (GROW | {"gpus": 0}, "gpus: is too small, got 0; give a whole number of at least 1"),
        (GROW | {"gpus": 2.5}, "gpus: is not a whole number"),
        (GROW | {"gpus": 10**10}, "gpus: is too large, got 10000000000; give at most 4096"),
        (GROW | {"gpus": 4096, "slots": 4096}, "gpus: is too many for so many layers, experts and slots, got 4096"),
        (GROW | {"slots": "two"}, "slots: is not a whole number"),
        (GROW | {"tau": 0.9}, "tau: is below 1, got 0.9"),
        (GROW | {"tau": "low"}, "tau: is not a number"),
        (GROW | {"keep": [0]}, "keep: is of 1 GPUs where current is of 2"),
        (GROW | {"keep": [0, 0]}, "keep[1]: is there twice"),
        (GROW | {"keep": [0, 3]}, "keep[1]: is no GPU that there shall be, got 3"),
        (GROW | {"keep": [0, -2]}, "keep[1]: is no GPU"),
        (GROW | {"keep": [0, True]}, "keep[1]: is not a number"),
        (GROW | {"loads": [6.0, -1.0, 2.0]}, "loads[1]: is not a load, got -1.0"),
        (GROW | {"loads": [6.0, None, 2.0]}, "loads[1]: is not a number, got None"),
        (GROW | {"loads": []}, "loads: is empty"),
        (GROW | {"loads": [[[1.0]]]}, "loads: has lists 3 deep"),
        (GROW | {"loads": [[1.0, 2.0], [1.0]]}, "loads[1]: has 1 items where the first has 2"),
        (GROW | {"current": [[0, 1], [0, 3]]}, "current[1][1]: is no expert, got 3; give one from 0 to 2"),
        (
            GROW | {"loads": [GROW["loads"]], "current": [[[0, 1], [0, 3]]]},
            "current[0][1][1]: is no expert, got 3",
        ),
        (GROW | {"current": [[0, 1], [0]]}, "current[1]: has 1 items"),
        (GROW | {"current": [[0, 1], [0, 1.5]]}, "current[1][1]: is not a whole number"),
        (GROW | {"current": [0, 1]}, "current: has lists 1 deep where they are 2 deep"),
        (LAYERS | {"current": [GROW["current"]]}, "current: has 1 layers where loads have 2"),
        ({name: value for name, value in GROW.items() if name != "keep"}, "keep: is missing"),
        ({name: value for name, value in GROW.items() if name != "gpus"}, "gpus: is missing"),
        ({name: value for name, value in GROW.items() if name != "loads"}, "loads: is missing"),
        (
            {"slot" if name == "slots" else name: value for name, value in GROW.items()},
            "slot: is not a field: 'slots' is",
        ),
        ('{"loads": [1, NaN]}', "loads[1]: is not a load"),
        ("[1]", "CASE: is not an object"),
        ("not JSON", "CASE: is not JSON"),
    ],
)
def test_a_case_that_makes_no_sense_is_refused(
    case: Any, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused(capsys, write(tmp_path, case))


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "CASE: cannot be read" in refused(capsys, tmp_path / "none.json")


def test_npz_without_an_array_or_the_gpus_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "case.npz"
    np.savez(file, loads=np.ones((1, 3)), keep=np.arange(2))
    assert "current: is missing" in refused(capsys, file, "--gpus", "2", "--slots", "2")
    np.savez(file, loads=np.ones((1, 3)), current=np.zeros((1, 2, 2), int), keep=np.arange(2))
    assert "gpus: is missing" in refused(capsys, file, "--slots", "2")


def test_npz_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "case.npz"
    for content in (b"", b"PK but nothing else"):
        file.write_bytes(content)
        assert "CASE: is not NPZ" in refused(capsys, file)
    with file.open("wb") as opened:
        np.save(opened, np.ones(3))  # one array, which numpy reads whatever it is called
    assert "CASE: is not NPZ" in refused(capsys, file)
    np.savez(file, loads=np.array([{"a": 1}], dtype=object))
    assert "CASE: is not NPZ" in refused(capsys, file)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--staging-budget-bytes", "10"), "--staging-budget-bytes: says nothing without --expert-bytes"),
        (("--most-gpus", "10"), "--most-gpus: says nothing without --engine, got 10; give --engine too"),
        (("--engine", "vllm", "--gpus-per-rank", "3"), "--gpus-per-rank: does not divide the 2 GPUs of now, got 3"),
        (("--link-gbytes-per-second", "10"), "--link-gbytes-per-second: says nothing"),
        (("--output", "/nowhere/plan.npz"), "--output: cannot be written"),
    ],
)
def test_flags_that_make_no_sense_are_refused(
    flags: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused(capsys, write(tmp_path, GROW), *flags)


@pytest.mark.parametrize(
    "flags",
    [
        ("--tau", "0.5"),
        ("--gpus", "none"),
        ("--expert-bytes", "0"),
        ("--link-gbytes-per-second", "-1"),
        ("--link-gbytes-per-second", "1e-300"),
        ("--plot", "a.gif"),
    ],
)
def test_flags_that_are_no_values_are_usage_errors(flags: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as error:
        main(["moe", "plan", str(write(tmp_path, GROW)), *flags])
    assert error.value.code == 2
