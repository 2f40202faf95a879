"""What `foresail allocate` prints and draws for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.allocation_cases import EXAMPLES, ONE, answer, changed, large, text, write

PRICE = "shadow_price_usd_per_gpu_hour"


def test_the_text_compares_the_mix_with_each_type_alone(capsys: pytest.CaptureFixture[str]) -> None:
    told = text(capsys, EXAMPLES / "one-model.json")
    rows = {line.split()[0]: line for line in told.split("on one type only")[1].splitlines() if line}
    assert "cannot serve 3 buckets" in rows["L4"]
    assert "14.68" in rows["A100"]  # 4 GPUs at 3.67
    assert "4.7 %" in rows["A100"]  # 13.99 against that
    assert "15.04" in rows["H100"]
    assert told.rstrip().endswith("no plan costs less.")
    assert max(map(len, told.splitlines())) <= 110


def test_the_text_of_a_fleet_says_what_binds_and_what_it_is_worth(capsys: pytest.CaptureFixture[str]) -> None:
    told = text(capsys, EXAMPLES / "two-models.json")
    found = answer(capsys, EXAMPLES / "two-models.json")
    assert found[PRICE]["H100"] > 0.0
    assert f"{found[PRICE]['H100']:.2f} USD/h" in told
    assert "every GPU of H100 is in use" in told
    assert f"{found['cost_usd_per_hour']:.2f}" in told


def test_many_unserved_buckets_are_counted_and_not_all_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = changed(large(), "gpu_info", {"g": {"cost": 1.0, "tputs": [[0.0] * 30]}})
    assert "and 20 more" in text(capsys, write(tmp_path, case), code=1)


def test_names_are_printed_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = changed(ONE, "gpu_info.[bold]g[/]", ONE["gpu_info"]["small"])  # type: ignore[index]
    assert "[bold]g[/]" in text(capsys, write(tmp_path, case))


@pytest.mark.parametrize("name", ["one-model.json", "two-models.json"])
def test_the_plot_is_written_beside_the_answer(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    file = tmp_path / "plan.png"
    assert answer(capsys, EXAMPLES / name, "--plot", str(file))["status"] == "optimal"
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_plot_of_what_cannot_be_carried_is_drawn_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    case = changed(ONE, "gpu_info", {"g": {"cost": 1.0, "tputs": [[0.0, 0.0]]}})
    answer(capsys, write(tmp_path, case), "--plot", str(tmp_path / "plan.png"), code=1)
    assert (tmp_path / "plan.png").stat().st_size > 0
