"""`foresail reschedule plan` against recorded optima: reached, certified, and never worse than the heuristic."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.reschedule_cases import answer

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "golden" / "rescheduling"
CASES = [("medium-H-0", 25), ("medium-H-0", 50), ("medium-H-1", 100), ("medium-M-0", 75), ("medium-aff-0", 50)]


@pytest.mark.parametrize(("name", "moves"), CASES)
def test_a_recorded_optimum_is_reached(
    name: str, moves: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"no recorded instances beside the checkout ({FOLDER}): nothing was compared")
    expected = json.loads((FOLDER / "expected.json").read_text())[name]["limits"][str(moves)]
    file = FOLDER / f"{name}.json"
    found = answer(capsys, "plan", str(file), "--moves", str(moves))

    assert round(found["after"]["fragment_rate"], 4) <= expected["filter_and_score_heuristic_fragment_rate"]
    assert found["after"]["free_slots"] >= expected["best_free_slots"] - 1
    assert found["bound"] >= expected["best_free_slots"] - 1e-6
    assert found["certified"] == (found["after"]["free_slots"] == int(found["bound"] + 1e-6))
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(found))
    assert answer(capsys, "verify", str(file), str(plan), "--moves", str(moves))["valid"]
