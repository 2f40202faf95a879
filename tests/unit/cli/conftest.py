"""What the tests of training and predicting share."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.cli.flows import FakeFlow, write_csv


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """A file to forecast."""
    return write_csv(tmp_path / "web.csv")


@pytest.fixture
def fake_flow(monkeypatch: pytest.MonkeyPatch) -> type[FakeFlow]:
    """Put the fake in the place of the real one."""
    module = ModuleType("foresail.forecasting.neural.model")
    module.FlowModel = FakeFlow  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(FakeFlow, "fitted", [])
    monkeypatch.setattr(FakeFlow, "stop_at", None)
    monkeypatch.setattr(FakeFlow, "offset", 0.0)
    return FakeFlow
