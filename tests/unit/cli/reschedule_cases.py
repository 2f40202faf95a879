"""Instances for `foresail reschedule`, and the command as a script calls it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from foresail.cli.main import main

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "rescheduling"
# Two machines of two NUMA nodes, slots of 4 CPU: on a and b two CPU of a NUMA node are a fragment.
VMS: dict[str, Any] = {
    "fragment": {"cpu": 4, "mem": 8},
    "pms": {"id": ["a", "b"], "cpu": [[8, 8], [8, 8]], "mem": [[32, 32], [32, 32]], "rack": ["r0", "r1"]},
    "vms": {
        "id": ["v0", "v1", "v2", "v3"],
        "cpu": [4, 2, 2, 8],
        "mem": [8, 4, 4, 16],
        "double": [0, 0, 0, 1],
        "pm": [0, 0, 1, 1],
        "node": [0, 0, 0, -1],
        "movable": [1, 1, 1, 1],
    },
    "anti_affinity": [],
}
# Two nodes of two cards: a half card is free on each.
PODS: dict[str, Any] = {
    "nodes": {"id": ["x", "y"], "cpu": [16, 16], "mem": [64, 64], "gpu": [2, 2], "model": ["A", "B"]},
    "pods": {
        "id": ["p0", "p1", "p2"],
        "cpu": [2, 2, 1],
        "mem": [8, 8, 4],
        "num_gpu": [1, 1, 0],
        "gpu_milli": [500, 500, 0],
        "spec": ["", "A|B", ""],
        "qos": ["LS", "BE", "LS"],
        "node": [0, 1, 0],
        "cards": [[0], [1], []],
    },
    "types": {"cpu": [1], "mem": [1], "num_gpu": [1], "gpu_milli": [1000], "share": [1.0]},
}


def write(folder: Path, value: Any, name: str = "case.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(value), encoding="utf-8")
    return file


def answer(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """What the command answers in JSON."""
    assert main(["reschedule", *words, "--format", "json"]) == code
    printed = capsys.readouterr()
    assert printed.err == ""
    found = json.loads(printed.out, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    assert isinstance(found, dict)
    return found


def text(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What it says to people."""
    assert main(["reschedule", *words]) == code
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that says why it is not understood."""
    assert main(["reschedule", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    return line


def piped(content: str) -> io.TextIOWrapper:
    """Standard input with that in it."""
    return io.TextIOWrapper(io.BytesIO(content.encode()))
