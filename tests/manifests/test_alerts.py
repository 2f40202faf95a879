"""The alerts: real promtool checks and tries them, and every series they name is one that the operator has."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, missing
from tests.manifests.helm import CHART, Helm, only

HERE = Path(__file__).parent


@pytest.fixture
def rules(rendering: Helm, tmp_path: Path) -> Path:
    """The rules as the chart renders them."""
    rule = only(rendering.template({"prometheusRule": {"enabled": True}}), "PrometheusRule")
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rule["spec"]))
    return file


def promtool(binaries: Path, *arguments: str | Path) -> str:
    """Run promtool; what it says."""
    program = binaries / "promtool"
    if not program.exists():
        missing("no promtool: run `make tools`")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_well_formed(binaries: Path, rules: Path) -> None:
    count = len(yaml.safe_load((CHART / "files" / "rules.yaml").read_text())["groups"][0]["rules"])

    assert f"SUCCESS: {count} rules found" in promtool(binaries, "check", "rules", "--lint-fatal", rules)


def test_each_alert_fires_on_its_case_and_not_beside_it(binaries: Path, rules: Path) -> None:
    case = rules.parent / "alerts.yaml"
    shutil.copy(HERE / "alerts.yaml", case)

    promtool(binaries, "test", "rules", case)


def test_alerts_ask_for_series_that_the_operator_has() -> None:
    text = (CHART / "files" / "rules.yaml").read_text()
    metrics = (ROOT / "operator" / "explain" / "metrics.py").read_text()

    for series in set(re.findall(r"foresail_[a-z_]+", text)):
        # Written whole, or as what follows the prefix; "current", "desired" and "ready" share one line.
        name = series.removeprefix("foresail_")
        spellings = (f'"{series}"', f'"{name}"', f'"{name.removesuffix("_replicas")}"')
        assert any(spelling in metrics for spelling in spellings), f"operator/explain/metrics.py has no {series}"
