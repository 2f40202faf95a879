from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time

import pytest

from foresail.cli.explain import to_text
from foresail.cli.logs import JsonFormatter
from foresail.cli.main import BROKEN_PIPE, COMMANDS, _available, main


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "foresail.cli.main", *words], capture_output=True, text=True, timeout=30, check=False
    )


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from foresail.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'kopf', 'numpy', 'kubernetes', 'torch', 'fastapi', 'aiohttp'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    started = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 0, result.stderr
    assert time.perf_counter() - started < 5.0  # 0.05 s on a quiet machine; the measured bound is in the benchmarks


def test_every_available_command_explains_itself_with_an_example() -> None:
    for name in _available():
        result = run(name, "--help")
        assert result.returncode == 0, result.stderr
        last = result.stdout.strip().splitlines()[-1].strip()
        assert last.startswith("foresail")


def test_only_commands_that_exist_are_offered() -> None:
    assert set(_available()) <= set(COMMANDS)
    told = run("--help").stdout
    assert all(f"  {name} " in told for name in _available())


def test_an_unknown_command_is_exit_2() -> None:
    result = run("alocate")
    assert (result.returncode, result.stdout) == (2, "")


@pytest.mark.parametrize("words", [["explain"], ["explain", "chat"], ["explain", "prod/chat", "--format", "xml"]])
def test_bad_usage_is_exit_2_with_nothing_on_stdout(words: list[str]) -> None:
    result = run(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("words", [["--help"], ["explain", "--help"]])
def test_a_reader_that_has_gone_gets_no_traceback(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)  # `head` has read enough
    done = subprocess.run(
        [sys.executable, "-m", "foresail.cli.main", *words],
        env={name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=30,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (BROKEN_PIPE, b"")


def test_explain_says_where_its_kubeconfig_comes_from() -> None:
    assert "$KUBECONFIG" in run("explain", "--help").stdout


def test_a_missing_kubeconfig_is_one_line_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "prod/chat", "--kubeconfig", "/nowhere"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1
    assert "--kubeconfig" in printed.err


def test_an_explanation_shows_sentence_steps_and_conditions() -> None:
    step = {"rule": "limit_step_up", "before": 9, "after": 7, "reason": "StepLimited", "message": "at most 2 at once"}
    decision = {
        "id": "d",
        "time": "2026-11-23T12:00:00Z",
        "from": 5,
        "to": 7,
        "reason": "StepLimited",
        "message": "5 to 7 replicas.",
        "steps": [step],
    }
    ready = {"type": "Ready", "status": "True", "reason": "Deciding", "message": "fine"}
    body = {"spec": {"mode": "Auto"}, "status": {"lastDecision": decision, "conditions": [ready]}}
    assert to_text("prod/chat", body).splitlines() == [
        "prod/chat (Auto): 5 → 7 replicas, StepLimited, 2026-11-23T12:00:00Z",
        "5 to 7 replicas.",
        "",
        "  limit_step_up     9 → 7    StepLimited: at most 2 at once",
        "",
        "  Ready=True Deciding: fine",
    ]


def test_a_decision_for_people_says_what_is_known_of_capacities() -> None:
    learned = [
        {"name": "h100", "deviation": "0.204", "source": "Shipped for h100."},
        {"name": "gone", "deviation": "0.1", "source": "6 rps at 9/9"},
    ]
    decision = {"from": 5, "to": 7, "reason": "R", "time": "T", "message": "m"}
    variants = [{"name": "h100", "capacitySource": "shipped"}, {"name": "l40s"}]
    text = to_text(
        "chat", {"status": {"lastDecision": decision, "variants": variants, "learned": {"variants": learned}}}
    )
    assert text.splitlines()[5:] == ["  capacity of h100: shipped, ±20%: Shipped for h100."]


def test_json_log_lines_carry_what_was_passed_along() -> None:
    record = logging.LogRecord("foresail.decisions", logging.INFO, "f", 1, "5 to %s", (7,), None)
    record.decision_id = "d1"
    line = json.loads(JsonFormatter().format(record))
    assert (line["message"], line["decision_id"], line["level"]) == ("5 to 7", "d1", "INFO")
