"""What `foresail allocate` refuses: one line that names file, field, value and remedy, exit 2, nothing on stdout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foresail.cli.main import main
from tests.unit.cli.allocation_cases import FLEET, ONE, changed, without, write

NAN = float("nan")


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["allocate", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1
    return printed.err


def expect_named(capsys: pytest.CaptureFixture[str], file: Path, field: str, said: str) -> None:
    told = refusal(capsys, str(file))
    assert told.startswith(f"{file}: {field}")
    assert said in told


@pytest.mark.parametrize(
    ("path", "value", "field", "said"),
    [
        ("total_request_rate", -1.0, "total_request_rate: is negative", "-1.0"),
        ("total_request_rate", NAN, "total_request_rate: is not finite", "nan"),
        ("total_request_rate", "fast", "total_request_rate: is not a number", "'fast'"),
        ("total_request_rate", True, "total_request_rate: is not a number", "True"),
        ("total_request_rate", 10**400, "total_request_rate: is too large", "…"),
        ("workload_distribution", [[0.0, 0.0]], "workload_distribution: has no requests", "[[0.0, 0.0]]"),
        ("workload_distribution", [[0.5, -0.5]], "workload_distribution[0][1]: is negative", "-0.5"),
        ("workload_distribution", [[0.5, 0.5], [1.0]], "workload_distribution[1]: has 1 numbers", "[1.0]"),
        ("workload_distribution", [], "workload_distribution: is empty", "[]"),
        ("workload_distribution", [[]], "workload_distribution[0]: is empty", "[]"),
        ("workload_distribution", 1.0, "workload_distribution: is not a list", "1.0"),
        ("gpu_info", {}, "gpu_info: is empty", "{}"),
        ("gpu_info", [1], "gpu_info: is not an object", "[1]"),
        ("gpu_info", {" ": {}}, "gpu_info: has a member without a name", "{' ': {}}"),
        ("gpu_info.small.cost", -1.0, "gpu_info.small.cost: is negative", "-1.0"),
        ("gpu_info.small.cost", float("inf"), "gpu_info.small.cost: is not finite", "inf"),
        ("gpu_info.small.tputs", [[1.0]], "gpu_info.small.tputs: is 1x1 where", "[[1.0]]"),
        ("gpu_info.small.tputs", [[1.0, None]], "gpu_info.small.tputs[0][1]: is not a number", "0 where it cannot"),
        ("gpu_info.small.tputs", [[1.0, NAN]], "gpu_info.small.tputs[0][1]: is not finite", "nan"),
        ("gpu_info.small.tputs", [[1.0, "x"]], "gpu_info.small.tputs[0][1]: is not a number", "'x'"),
        ("gpu_info.small.max_count", -1, "gpu_info.small.max_count: is too small", "-1"),
        ("gpu_info.small.max_count", 1.5, "gpu_info.small.max_count: is not a whole number", "1.5"),
        ("gpu_info.small.max_cont", 2, "gpu_info.small.max_cont: is not a field", "max_count"),
        ("slice_factor", 0, "slice_factor: is too small", "0"),
        ("slice_factor", 2.5, "slice_factor: is not a whole number", "2.5"),
        ("slice_factor", NAN, "slice_factor: is not a whole number", "nan"),
    ],
)
def test_a_bad_field_of_one_model_is_named(
    path: str, value: Any, field: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expect_named(capsys, write(tmp_path, changed(ONE, path, value)), field, said)


@pytest.mark.parametrize(
    ("path", "value", "field", "said"),
    [
        ("accelerators", {}, "accelerators: is empty", "{}"),
        ("accelerators.H100", 8, "accelerators.H100: is not an object", "8"),
        ("accelerators.H100.count", -1, "accelerators.H100.count: is too small", "-1"),
        ("accelerators.H100.count", "many", "accelerators.H100.count: is not a whole number", "'many'"),
        ("models", [], "models: is empty", "[]"),
        ("models.0", 3, "models[0]: is not an object", "3"),
        ("models.0.name", "", "models[0].name: is not a name", "''"),
        ("models.0.priority", 1.5, "models[0].priority: is not a whole number", "1.5"),
        ("models.0.unserved_usd_per_1k_requests", -5.0, "models[0].unserved_usd_per_1k_requests: is", "-5.0"),
        ("models.0.demand_rps", [[1.0]], "models[0].variants[0].capacity_rps: is 1x2 where", "1x1"),
        ("models.0.demand_rps", [[NAN, 1.0]], "models[0].demand_rps[0][0]: is not finite", "nan"),
        ("models.0.variants", [], "models[0].variants: is empty", "[]"),
        ("models.0.variants.1.name", "h", "models[0].variants[1].name: is there twice", "'h'"),
        ("models.0.variants.0.accelerator", "h100", "models[0].variants[0].accelerator: is not among", "H100, L4"),
        ("models.0.variants.0.gpus_per_replica", 0, "models[0].variants[0].gpus_per_replica: is too small", "0"),
        ("models.0.variants.0.usd_per_hour", None, "models[0].variants[0].usd_per_hour: is not a number", "None"),
        ("models.0.variants.0.capacity_rps", [[1.0, -1.0]], "models[0].variants[0].capacity_rps[0][1]: is", "-1.0"),
        ("models.0.variants.0.min_replicas", 5, "models[0].variants[0].min_replicas: takes minima on H100", "10 GPUs"),
        ("models.0.variants.0.max_replica", 5, "models[0].variants[0].max_replica: is not a field", "max_replicas"),
        ("models.0.variants.0.current_replicas", -1, "models[0].variants[0].current_replicas: is too small", "-1"),
        ("models.0.variants.0.startup_seconds", NAN, "models[0].variants[0].startup_seconds: is not finite", "nan"),
    ],
)
def test_a_bad_field_of_a_fleet_is_named(
    path: str, value: Any, field: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expect_named(capsys, write(tmp_path, changed(FLEET, path, value)), field, said)


def test_two_models_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, changed(FLEET, "models", [FLEET["models"][0]] * 2))  # type: ignore[index]
    assert "models[1].name: is there twice, got 'chat'" in refusal(capsys, str(file))


def test_a_minimum_above_the_maximum_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = changed(changed(FLEET, "models.0.variants.0.min_replicas", 3), "models.0.variants.0.max_replicas", 2)
    assert "models[0].variants[0].min_replicas: is above max_replicas" in refusal(capsys, str(write(tmp_path, case)))


@pytest.mark.parametrize("path", ["gpu_info", "workload_distribution", "total_request_rate", "gpu_info.small.tputs"])
def test_a_missing_field_of_one_model_is_named(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{path}: is missing" in refusal(capsys, str(write(tmp_path, without(ONE, path))))


@pytest.mark.parametrize("path", ["accelerators", "models", "models.0.demand_rps", "models.0.variants.1.accelerator"])
def test_a_missing_field_of_a_fleet_is_named(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    field = path.replace(".0", "[0]").replace(".1", "[1]")
    assert f"{field}: is missing" in refusal(capsys, str(write(tmp_path, without(FLEET, path))))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "CASE: is not an object"),
        ("{}", "models: is missing, and so is gpu_info"),
        ('{"gpu_info": {}, "models": []}', "stands beside gpu_info"),
        ('{"gpu_info": {"A": {}, "A": {}}}', "A: is there twice in one object"),
        ('{"total_request_rate": NaN, "gpu_info": {}}', "total_request_rate: is not finite"),
    ],
)
def test_what_is_no_case_is_refused(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "case.json"
    file.write_text(text)
    assert said in refusal(capsys, str(file))


def test_files_that_cannot_be_read_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"name": "\xff"}')
    assert "CASE: cannot be read" in refusal(capsys, str(tmp_path / "absent.json"))
    assert "CASE: cannot be read" in refusal(capsys, str(tmp_path))
    assert "CASE: is not UTF-8" in refusal(capsys, str(tmp_path / "latin.json"))


def test_the_papers_semantics_need_one_model_and_its_slice_factor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refusal(capsys, str(write(tmp_path, FLEET)), "--semantics", "sliced")
    assert "--semantics" in told
    assert "fractional" in told
    told = refusal(capsys, str(write(tmp_path, without(ONE, "slice_factor"))), "--semantics", "sliced")
    assert "slice_factor: is missing" in told


@pytest.mark.parametrize(
    "words",
    [
        ["--target-utilization", "0"],
        ["--target-utilization", "1e-5"],
        ["--target-utilization", "1.1"],
        ["--target-utilization", "nan"],
        ["--time-limit", "0"],
        ["--time-limit", "soon"],
        ["--semantics", "whole"],
        ["--plot", "plan.pdf"],
    ],
)
def test_bad_usage_is_exit_2(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["allocate", str(write(tmp_path, ONE)), *words])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words[0] in printed.err


def test_a_plot_that_has_no_folder_is_refused_before_anything_is_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refusal(capsys, str(write(tmp_path, ONE)), "--plot", str(tmp_path / "nowhere" / "plan.png"))
    assert "--plot: cannot be written" in told
