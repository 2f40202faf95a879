"""Cases for `foresail moe plan` and the command as a script calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from foresail.cli.main import main

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "moe"
KEYS = {
    "copies",
    "copies_into_survivors",
    "floor_copies",
    "balance_mean",
    "balance_worst",
    "scratch_balance_mean",
    "scratch_copies",
    "bytes",
    "estimated_seconds",
    "peak_extra_bytes",
    "waves",
    "cpu_seconds",
    "message",
    "placement",
}
# One GPU comes to two that hold the same: each of its slots takes one of three experts.
GROW: dict[str, Any] = {
    "loads": [6.0, 2.0, 2.0],
    "current": [[0, 1], [0, 2]],
    "keep": [0, 1],
    "gpus": 3,
    "slots": 2,
    "tau": 1.25,
}


def write(folder: Path, case: Any) -> Path:
    file = folder / "case.json"
    file.write_text(case if isinstance(case, str) else json.dumps(case))
    return file


def answer(capsys: pytest.CaptureFixture[str], file: Path, *flags: str, status: int = 0) -> dict[str, Any]:
    """What the command prints as JSON, and nothing on stderr."""
    assert main(["moe", "plan", str(file), "--format", "json", *flags]) == status
    told = capsys.readouterr()
    assert told.err == ""
    found: dict[str, Any] = json.loads(told.out)
    return found


def text(capsys: pytest.CaptureFixture[str], file: Path, *flags: str) -> str:
    assert main(["moe", "plan", str(file), *flags]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


def refused(capsys: pytest.CaptureFixture[str], file: Path, *flags: str) -> str:
    """The one line that says why nothing was planned."""
    assert main(["moe", "plan", str(file), "--format", "json", *flags]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err
