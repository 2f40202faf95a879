"""`foresail moe plan --engine`: what an engine cannot do is not planned, and the answer says what it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foresail.cli.main import main
from tests.unit.cli.moe_cases import GROW, KEYS, answer, refused, write

FOUR = [[0, 1], [0, 2], [1, 2], [0, 3]]


@pytest.mark.parametrize(
    ("changed", "flags", "told", "bounds"),
    [
        (
            {},
            ("--engine", "vllm"),
            "vLLM was started for at most 2 GPUs (--elastic-ep-max-dp-size), 3 are more",
            (2, 2),
        ),
        ({}, ("--engine", "sglang"), "SGLang was started for at most 2 GPUs (--max-ep-size), 3 are more", (2, 2)),
        (
            {"slots": 1},
            ("--engine", "vllm", "--most-gpus", "4"),
            "keeps the slots of a GPU as they are: 2, not 1",
            (2, 4),
        ),
        (
            {"current": [[0, 1], [2, 0]], "keep": [0, -1], "gpus": 1, "slots": 3},
            ("--engine", "vllm"),
            "1 GPUs with 2 slots each do not hold 3 experts: the minimum is 2",
            (2, 2),
        ),
        (
            {"loads": [4.0, 3.0, 2.0, 1.0], "current": FOUR, "keep": [0, 1, -1, 2], "gpus": 3},
            ("--engine", "vllm"),
            "gives up the highest ranks only",
            (2, 4),
        ),
        (
            {"loads": [4.0, 3.0, 2.0, 1.0], "current": FOUR, "keep": [0, 1, -1, 2], "gpus": 4},
            ("--engine", "sglang"),
            "SGLang gives up no GPU, and 1 leave: 4 are the minimum",
            (4, 4),
        ),
        (
            {"loads": [4.0, 3.0, 2.0, 1.0], "current": FOUR, "keep": [0, 1, 2, -1], "gpus": 4},
            ("--engine", "vllm"),
            "vLLM grows or shrinks, one at a time: here 1 of the GPUs leave and 1 come",
            (2, 4),
        ),
        (
            {"loads": [4.0, 3.0, 2.0, 1.0], "current": FOUR, "keep": [0, 1, 2, 3], "gpus": 5},
            ("--engine", "vllm", "--most-gpus", "8", "--gpus-per-rank", "2"),
            "in steps of 2 GPUs, and 5 is not a multiple",
            (2, 8),
        ),
    ],
)
def test_what_an_engine_cannot_do_is_refused_with_what_it_can(
    changed: dict[str, Any],
    flags: tuple[str, ...],
    told: str,
    bounds: tuple[int, int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = answer(capsys, write(tmp_path, {**GROW, **changed}), *flags, status=1)
    assert told in found["message"]
    assert (found["refused"]["least_gpus"], found["refused"]["most_gpus"]) == bounds
    assert set(found) >= KEYS
    assert {name for name, value in found.items() if value is not None} == {"message", "refused"}


@pytest.mark.parametrize(
    "flags",
    [("--engine", "vllm", "--most-gpus", "4"), ("--engine", "sglang", "--most-gpus", "3"), ("--engine", "reference")],
)
def test_what_it_can_do_is_planned_as_without_it(
    flags: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = write(tmp_path, GROW)
    found, without = answer(capsys, case, *flags), answer(capsys, case)
    assert found | {"cpu_seconds": 0} == without | {"cpu_seconds": 0}
    assert found["refused"] is None


def test_people_are_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["moe", "plan", str(write(tmp_path, GROW)), "--engine", "vllm"]) == 1
    assert capsys.readouterr().out == "vLLM was started for at most 2 GPUs (--elastic-ep-max-dp-size), 3 are more.\n"


def test_an_engine_has_a_slot_for_every_expert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(capsys, write(tmp_path, {**GROW, "current": [[0], [1]]}), "--engine", "vllm")
    assert "current: has fewer slots than the 3 experts, got 2" in told
