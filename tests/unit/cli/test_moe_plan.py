"""What `foresail moe plan` answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foresail.cli.main import main
from tests.unit.cli.moe_cases import EXAMPLES, GROW, KEYS, answer, text, write
from tests.unit.policies.moe.placements import make_change


def test_a_case_is_answered_with_the_contracts_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With three replicas of expert 0 and one more of another the GPUs carry 4, 4 and 3: 12/11 … of 10/3 is 1.2."""
    found = answer(capsys, write(tmp_path, GROW))
    assert set(found) >= KEYS
    assert found["placement"][:2] == [[0, 1], [0, 2]]
    assert (found["copies"], found["copies_into_survivors"], found["floor_copies"]) == (2, 0, 2)
    assert found["balance_mean"] == found["balance_worst"] == pytest.approx(1.2)
    assert found["scratch_balance_mean"] == pytest.approx(1.2)
    assert found["cpu_seconds"] > 0.0
    assert (found["bytes"], found["estimated_seconds"], found["peak_extra_bytes"]) == (None, None, None)
    assert [row[:2] for row in found["waves"][0]] == [[0, 2], [0, 2]]
    assert "From 2 to 3 GPUs it takes 2 copies" in found["message"]


def test_bytes_and_seconds_follow_from_what_an_expert_weighs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two experts of 50 MB go into one GPU, which has a port of 1 GB/s."""
    flags = ("--expert-bytes", "50000000", "--link-gbytes-per-second", "1")
    found = answer(capsys, write(tmp_path, GROW), *flags)
    assert (found["bytes"], found["peak_extra_bytes"]) == (100_000_000, 100_000_000)
    assert found["estimated_seconds"] == pytest.approx(0.1)


def test_layers_share_waves_within_the_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layers = GROW | {"loads": [GROW["loads"]] * 4, "current": [GROW["current"]] * 4}
    flags = ("--expert-bytes", "10", "--staging-budget-bytes")
    assert len(answer(capsys, write(tmp_path, layers), *flags, "20")["waves"]) == 4
    found = answer(capsys, write(tmp_path, layers), *flags, "49")
    assert [len(wave) for wave in found["waves"]] == [4, 4]
    assert found["peak_extra_bytes"] == 40
    assert np.array(found["placement"]).shape == (4, 3, 2)


def test_a_budget_below_what_a_layer_brings_is_a_no_with_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--expert-bytes", "10", "--staging-budget-bytes", "19")
    found = answer(capsys, write(tmp_path, GROW), *flags, status=1)
    assert found["waves"] is None
    assert found["copies"] == 2
    assert "needs at least 20" in found["message"]


def test_what_cannot_be_reached_is_answered_with_the_best_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, write(tmp_path, GROW), "--tau", "1.01")
    assert found["balance_mean"] == pytest.approx(1.2)
    assert "A balance of 1.01 cannot be reached" in found["message"]


def test_flags_have_the_last_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, write(tmp_path, GROW), "--gpus", "2", "--slots", "3", "--tau", "1.5")
    assert [sorted(gpu) for gpu in found["placement"]] == [[0, 1, 2], [0, 1, 2]]


def test_npz_is_read_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = make_change(4, 5)
    file, output = tmp_path / "case.npz", tmp_path / "plan.npz"
    np.savez(file, loads=change.loads, current=change.current, keep=change.keep)
    flags = ("--gpus", "5", "--slots", "5", "--tau", "1.1")
    found = answer(capsys, file, *flags, "--output", str(output))
    assert found["placement"] is None
    with np.load(output) as arrays:
        placement = arrays["placement"]
    assert placement.shape == (3, 5, 5)
    assert answer(capsys, file, *flags)["placement"] == placement.tolist()


@pytest.mark.parametrize("name", ["grow", "shrink", "few-slots"])
def test_examples_are_answered_for_people(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = EXAMPLES / f"{name}.json"
    told = text(capsys, file, "--expert-bytes", "44050000", "--link-gbytes-per-second", "50")
    found = answer(capsys, file)
    assert found["balance_worst"] <= found_tau(file)
    for row in ("copies of experts", "into GPUs that serve", "busiest GPU over the mean", "time on the links", "bytes"):
        assert row in told
    assert f"it takes {found['copies']} copies" in " ".join(told.split())


def found_tau(file: Path) -> float:
    import json  # noqa: PLC0415 - of one test

    return float(json.loads(file.read_text())["tau"])


def test_people_are_told_that_the_budget_is_too_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--expert-bytes", "10", "--staging-budget-bytes", "19"]
    assert main(["moe", "plan", str(write(tmp_path, GROW)), *flags]) == 1
    assert "the staging budget is too small" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["grow", "few-slots"])
def test_a_plan_is_drawn(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="without matplotlib nothing is drawn")
    file = tmp_path / "plan.png"
    answer(capsys, EXAMPLES / f"{name}.json", "--plot", str(file))
    assert file.read_bytes().startswith(b"\x89PNG")


def test_the_same_case_has_the_same_answer(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (answer(capsys, EXAMPLES / "grow.json") for _ in range(2))
    assert {**one, "cpu_seconds": 0} == {**other, "cpu_seconds": 0}
