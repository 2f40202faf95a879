from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from foresail.domain.errors import InputError
from foresail.domain.timeseries import Window
from foresail.forecaster.settings import Settings
from foresail.forecaster.shelf import Shelf
from foresail.forecaster.training import REFUSED, to_job, train
from tests.builders import NOW
from tests.conftest import ROOT
from tests.fakes.prometheus import FakePrometheus, PodLoad
from tests.unit.forecaster.artifacts import KEY, FakeModel, make_card, make_subject

PODS = {("prod", "chat-h100-7d9c6b5f4-x2x4z"): PodLoad(rps=4.0)}


def test_what_a_training_leaves_can_be_put_on_the_shelf(tmp_path: Path) -> None:
    seen: list[Window] = []

    def fit(past: Window, horizon_seconds: float, seed: int) -> Any:
        seen.append(past)
        return make_card(rows=len(past), seed=seed, scores={"horizon": horizon_seconds}), {}

    fresh = tmp_path / "fresh"
    fresh.mkdir()
    with FakePrometheus(pods=dict(PODS)) as prometheus:
        train(make_subject(), Settings(prometheus_url=prometheus.url, history_hours=2.0), NOW, 7, fresh, fit=fit)

    served = Shelf(tmp_path / "kept", FakeModel).put(KEY, fresh, NOW)
    assert (served.card.rows, served.card.seed, served.card.scores) == (480, 7, {"horizon": 210.0})
    assert served.past is not None
    assert (served.past.step_seconds, served.past.end, len(served.past)) == (300.0, seen[0].end, 24)
    assert served.past.values[0, 0] == pytest.approx(4.0)


def test_a_past_too_short_for_a_flow_is_said_where_there_are_no_peers(tmp_path: Path) -> None:
    def refuse(past: Window, horizon_seconds: float, seed: int) -> Any:
        raise InputError("history", "rows", "too short", value=len(past), remedy="wait")

    with FakePrometheus(pods=dict(PODS)) as prometheus:
        settings = Settings(prometheus_url=prometheus.url, history_hours=2.0, artifacts=str(tmp_path))
        with pytest.raises(InputError, match="too short"):
            train(make_subject(), settings, NOW, 7, tmp_path, fit=refuse)


def test_what_is_wrong_is_one_line_on_stderr(tmp_path: Path) -> None:
    with FakePrometheus() as prometheus:
        settings = Settings(prometheus_url=prometheus.url, history_hours=1.0)
        command = [sys.executable, "-m", "foresail.forecaster.training", "--into", str(tmp_path)]
        job = to_job(make_subject(), settings, now=NOW, seed=0)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(job)  # and no end of it: that would end the training
        process.stdin.flush()
        said = process.stderr.read().decode()
        assert process.wait(timeout=30) == REFUSED
        process.stdin.close()
        process.stderr.close()

    (line,) = said.strip().splitlines()
    assert "prod/chat: has no series in the last 1 h, got 'chat-h100'" in line
    assert list(tmp_path.iterdir()) == []


def test_a_token_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    settings = Settings(prometheus_bearer_token_file=str(tmp_path / "gone"))
    with pytest.raises((InputError, OSError), match="gone"):
        train(make_subject(), settings, NOW, 0, tmp_path)


def test_the_service_starts_without_what_trains() -> None:
    names = ["torch", "pyro", "safetensors", "prometheus_api_client", "fsspec", "obstore"]
    blocked = f"import sys; sys.modules |= dict.fromkeys({names})"
    code = f"{blocked}; import foresail.forecaster.main, foresail.cli.forecaster"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_operator_starts_without_them_too_and_loads_none() -> None:
    code = "import sys, foresail.operator.main; print({'torch', 'pyro', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
