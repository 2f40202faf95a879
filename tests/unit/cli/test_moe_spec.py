"""`foresail moe spec`: what is printed, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from foresail.cli.main import main
from tests.unit.policies.moe.configs import DEEPSEEK_V3, LLAMA_3_70B, QWEN3_30B
from tests.unit.policies.moe.formats import NVFP4


def write(folder: Path, config: object, name: str = "config.json") -> str:
    file = folder / name
    file.write_text(json.dumps(config))
    return str(file)


def spec(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert main(["moe", "spec", *words, "--format", "json"]) == code
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)  # type: ignore[no-any-return]  # an object, or the test fails


def test_json_has_what_scripts_rely_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = spec(capsys, write(tmp_path, DEEPSEEK_V3))
    named = ("experts", "experts_per_token", "moe_layers", "dense_layers", "shared_experts", "expert_bytes")
    assert [found[name] for name in named] == [256, 8, 58, 3, 1, 44_050_944]
    assert (found["kv_bytes_per_token"], found["checkpoint"]) == (70_272, None)


def test_text_is_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["moe", "spec", write(tmp_path, DEEPSEEK_V3)]) == 0
    printed = capsys.readouterr().out
    assert "256 a layer, a token goes to 8, chosen in 4 of 8 groups" in printed
    assert "654.1 GB" in printed


@pytest.mark.parametrize("words", [(), ("--format", "json")])
def test_a_dense_model_is_answered_with_a_sentence_and_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["moe", "spec", write(tmp_path, LLAMA_3_70B), *words]) == 1
    assert "llama is not a mixture-of-experts model" in capsys.readouterr().out


def test_files_beside_the_config_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, NVFP4, "hf_quant_config.json")
    write(tmp_path, {"metadata": {"total_size": 18_000_000_000}}, "model.safetensors.index.json")
    found = spec(capsys, write(tmp_path, QWEN3_30B))
    assert found["expert_format"] == "nvfp4"
    assert found["checkpoint"]["agrees"]


def test_a_checkpoint_of_another_size_is_printed_in_full_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = write(tmp_path, {"metadata": {"total_size": 30_000_000_000}}, "index.json")
    found = spec(capsys, write(tmp_path, QWEN3_30B), "--index", index, code=1)
    assert (found["experts"], found["checkpoint"]["agrees"]) == (128, False)
    assert "do not rely on the config" in found["message"]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({**QWEN3_30B, "num_experts": "x"}, "num_experts: is not a whole number, got 'x'"),
        ([1], "CASE: is not an object"),
        ({}, "model_type: is missing"),
        ({"text_config": {**QWEN3_30B, "hidden_size": -4}}, "text_config.hidden_size: is too small, got -4"),
    ],
)
def test_what_cannot_be_understood_is_one_line_and_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: object, field: str
) -> None:
    file = write(tmp_path, config)
    assert main(["moe", "spec", file]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"{file}: {field}")
    assert len(printed.err.splitlines()) == 1


def test_a_file_that_is_not_there_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["moe", "spec", "nowhere.json"]) == 2
    assert "nowhere.json: CASE: cannot be read" in capsys.readouterr().err


def test_a_file_of_quantisation_that_is_not_understood_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = write(tmp_path, {"quant_method": "secret"}, "mine.json")
    assert main(["moe", "spec", write(tmp_path, QWEN3_30B), "--quantisation", named]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"{named}: quant_method: is not known, got 'secret'; ")
