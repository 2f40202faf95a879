"""`foresail moe decide`: what is printed, and with which exit code."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from foresail.cli.main import main
from tests.conftest import ROOT
from tests.unit.policies.moe.configs import DEEPSEEK_V3, LLAMA_3_70B

CASE = ROOT / "examples" / "moe" / "decide.json"


def changed(path: str, value: object) -> dict[str, Any]:
    case = json.loads(CASE.read_text())
    *parents, last = path.split(".")
    inner = case
    for name in parents:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return case  # type: ignore[no-any-return]  # an object


def write(folder: Path, case: object) -> str:
    file = folder / "case.json"
    file.write_text(json.dumps(case))
    return str(file)


def decided(capsys: pytest.CaptureFixture[str], file: str) -> dict[str, Any]:
    assert main(["moe", "decide", file, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]  # an object


def test_the_example_is_decided_with_every_alternative_and_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    found = decided(capsys, str(CASE))
    assert found["choice"]["action"] == "grow"
    assert {one["action"] for one in found["alternatives"]} == {"grow", "add-replica", "nothing", "shrink"}
    costs = [one["expected_cost_gpu_seconds"] for one in found["alternatives"]]
    assert costs == sorted(costs)
    for one in found["alternatives"]:
        assert sum(one["parts"].values()) == pytest.approx(one["expected_cost_gpu_seconds"])


def test_text_is_a_table_and_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["moe", "decide", str(CASE)]) == 0
    printed = capsys.readouterr().out
    assert "unmet until ready" in printed
    assert "Growing from 32 to 40 GPUs costs least over 900 s" in printed


def test_a_model_may_be_given_by_its_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = decided(capsys, write(tmp_path, changed("model", {"config": DEEPSEEK_V3})))
    assert found["choice"] == decided(capsys, str(CASE))["choice"]


def test_what_an_engine_refuses_is_in_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = changed("engine", {"name": "sglang", "redundant_experts": 32})
    found = decided(capsys, write(tmp_path, case))
    refused = [one["refused"] for one in found["alternatives"] if one["refused"]]
    assert any("only grows" in one["message"] and one["least_gpus"] == 32 for one in refused)
    assert main(["moe", "decide", write(tmp_path, case)]) == 0
    assert "refused: SGLang only grows" in capsys.readouterr().out


def test_one_path_may_be_a_plain_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = decided(capsys, write(tmp_path, changed("forecast.tokens_per_second", [64_000] * 20)))
    assert (found["paths"], found["choice"]["action"]) == (1, "nothing")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("engine.name", "tgi", "engine.name: is not known, got 'tgi'"),
        ("engine.redundant_experts", 30, "engine.redundant_experts: makes 286 slots"),
        ("engine.most_gpus", 16, "engine.most_gpus: is less than the 32 GPUs of now"),
        ("engine.gpus_per_rank", 3, "group.gpus: is not a multiple of the 3 GPUs of a rank"),
        ("engine.step_gpu", 2, "engine.step_gpu: is not a field: 'step_gpus' is"),
        ("group.tokens_per_second_per_gpu", 0, "group.tokens_per_second_per_gpu: is too small"),
        ("group.balance_now", 0.5, "group.balance_now: is too small"),
        ("group.gpus", "many", "group.gpus: is not a whole number"),
        ("group.gpus", 10_000_000, "group.gpus: is too large"),
        ("model.expert_bytes", None, "model.expert_bytes: is not a number"),
        ("model", {"config": LLAMA_3_70B}, "model.config: is of a model without routed experts"),
        ("forecast.tokens_per_second", [[1.0, 2.0], [1.0]], "forecast.tokens_per_second: has paths of 1 to 2 steps"),
        ("forecast.tokens_per_second", [[1.0, -2.0]], "forecast.tokens_per_second[0][1]: is too small"),
        ("forecast.tokens_per_second", [[float("nan")]], "forecast.tokens_per_second[0][0]: is not finite"),
        ("forecast.step_seconds", 0, "forecast.step_seconds: is too small"),
        ("gpu.memory_bytes", 1e9, "gpu.memory_bytes: leaves no room beside 42.1 GB of weights"),
        ("gpu.reserve_bytes", 1e17, "gpu.memory_bytes: leaves no room beside 42.1 GB of weights, got 141000000000.0"),
        ("gpu.used_share", 90, "gpu.used_share: is more than all, got 90"),
        ("gpu.link_bytes_per_second", 1e-300, "gpu.link_bytes_per_second: is too small"),
        ("times.standby_warm_share", 1.5, "times.standby_warm_share: is more than all, got 1.5"),
        ("times.warm", -1, "times.warm: is too small"),
        ("prices.unmet", "high", "prices.unmet: is not a number"),
    ],
)
def test_what_cannot_be_understood_is_one_line_and_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, value: object, said: str
) -> None:
    file = write(tmp_path, changed(path, copy.deepcopy(value)))
    assert main(["moe", "decide", file]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"{file}: {said}")
    assert len(printed.err.splitlines()) == 1
