"""`foresail allocate` against optima that two other solvers proved, in both semantics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.allocation_cases import KEYS, answer, expect_carried

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "golden" / "allocation"
CASES = sorted(FOLDER.glob("*.expected.json")) or [FOLDER / "none.expected.json"]


@pytest.mark.parametrize("semantics", ["fractional", "sliced"])
@pytest.mark.parametrize("expected", CASES, ids=lambda file: file.name.removesuffix(".expected.json"))
def test_a_recorded_case_costs_what_is_proven(
    expected: Path, semantics: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not expected.exists():
        pytest.skip(f"no recorded cases beside the checkout ({FOLDER}): nothing was compared")
    wanted = json.loads(expected.read_text())[semantics]
    file = expected.with_name(expected.name.replace(".expected", ""))
    case = json.loads(file.read_text())

    found = answer(capsys, file, "--semantics", semantics, code=int(wanted["cost"] is None))

    assert set(found) == KEYS
    assert found["status"] == wanted["status"]
    if wanted["cost"] is None:
        assert found["unserved"]
        assert found["bound_usd_per_hour"] is None
    else:
        assert found["cost_usd_per_hour"] == pytest.approx(wanted["cost"], abs=1e-6)
        assert found["gap"] <= 1e-6
        assert found["unserved"] == []
        expect_carried(case, found, slices=case["slice_factor"] if semantics == "sliced" else None)
