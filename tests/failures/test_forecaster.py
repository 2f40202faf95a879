"""What goes wrong with a forecaster: our own forecast takes over in the same cycle, and no replica is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.failures.play import play_on
from tests.failures.row import Act, Is, Row, Series, Stage
from tests.failures.scene import Scene
from tests.fakes.forecaster import FakeForecaster, Fault

pytestmark = pytest.mark.cluster

LEVEL = "a fake forecaster: HTTP and the operator's questions are real, the faults are made"
DEADLINE_SECONDS = 0.2  # one that fails is left alone for 30 times as long
OURS = (Is("Ready", "True", "Deciding"), Is("ForecastCalibrated", "Unknown", "CalibrationPending"))
THEIRS = (Is("Ready", "True", "Deciding"), Is("ForecastCalibrated", "True", "Calibrated"))


def make_row(fake: FakeForecaster, fault: Fault, reason: str) -> Row:
    def set_fault(fault: Fault) -> Act:
        return lambda _: setattr(fake, "fault", fault)

    metric = Series("forecaster_fallbacks_total", {"reason": reason})
    begin, end = set_fault(fault), set_fault(Fault.NONE)
    return Row(str(fault), begin, OURS, None, metric, end=end, healed=THEIRS, level=LEVEL)


def test_a_forecaster_that_fails(open_scene: Callable[..., AbstractContextManager[Scene]]) -> None:
    """One after the other, each followed by good forecasts, the last of which have the say again."""
    with FakeForecaster() as fake:
        rows = [
            make_row(fake, Fault.NAN, "ForecastRefused"),
            make_row(fake, Fault.KILLED, "ForecasterUnreachable"),
            make_row(fake, Fault.SLOW, "ForecasterTimeout"),
        ]
        settings = {"forecaster_url": fake.url, "forecaster_deadline_seconds": DEADLINE_SECONDS}
        with open_scene(**settings) as scene, scene.furnished("chat", Stage()):
            for row in rows:
                play_on(row, scene)
