"""The whole sandbox as `make up` starts it, on a trace of clean days so that what comes can be known."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from foresail.sandbox.kubectl import Kubectl
from foresail.sandbox.processes import Processes
from foresail.sandbox.progress import Progress
from foresail.sandbox.up import Sandbox, Scene, start
from foresail.sandbox.view import View, fetch, read_views
from tests.conftest import ROOT, wait_for

STEP_SECONDS = 600.0
DAY_SECONDS = 86_400.0
DAYS = 14
SPEED = 150.0  # a day passes in ten minutes
NIGHT_RPS, DAY_RPS = 6.0, 30.0  # one replica at night; five or six by day
MORNING_SECONDS = 7.5 * 3600.0  # the ramp starts here and takes two hours: 48 s
PLAYED_BEFORE_SECONDS = 1.25 * 3600.0  # played before the ramp: half a minute, six cycles
STARTUP_SECONDS = 10.0


def rate(seconds: float) -> float:
    """Requests per second at a time of day: night, a ramp of two hours, a day of ten hours, and back."""
    hours = (seconds % DAY_SECONDS - MORNING_SECONDS) / 3600.0
    return float(np.interp(hours, [0.0, 2.0, 12.0, 14.0], [NIGHT_RPS, DAY_RPS, DAY_RPS, NIGHT_RPS]))


def write_trace(folder: Path) -> Path:
    """Two weeks of such days, played from before the last morning."""
    trace = folder / "days.csv"
    rows = ["time_s,requests_per_second,mean_input_tokens,mean_output_tokens"]
    rows += [f"{t:.0f},{rate(t):.4f},700,230" for t in np.arange(0.0, DAYS * DAY_SECONDS, STEP_SECONDS)]
    trace.write_text("\n".join(rows) + "\n")
    start_at = (DAYS - 1) * DAY_SECONDS + MORNING_SECONDS - PLAYED_BEFORE_SECONDS
    trace.with_suffix(".json").write_text(json.dumps({"play_from_seconds": start_at}))
    return trace


def copy_example(folder: Path) -> Path:
    """The example with a start-up of ten seconds, and the same object once more in Advisory."""
    example = folder / "one-model"
    shutil.copytree(ROOT / "examples" / "01-one-model", example)
    engine = example / "01-engine.yaml"
    engine.write_text(re.sub(r"startup: \d+s", f"startup: {STARTUP_SECONDS:.0f}s", engine.read_text()))
    return example


@dataclass
class Run:
    """A run of the sandbox and what was seen of it."""

    sandbox: Sandbox
    processes: Processes
    kubectl: Kubectl
    started_at: float
    seen: list[tuple[float, View]] = field(default_factory=list)

    def watch(self, until: float) -> None:
        """Note every new decision until an instant."""
        last = ""
        while time.time() < until:
            for view in read_views(self.sandbox.operator_url):
                if view.decision_id != last:
                    last = view.decision_id
                    self.seen.append((time.time(), view))
            time.sleep(0.2)  # the run is real time


@pytest.fixture(scope="module")
def run(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A sandbox whose last morning has been watched from before the ramp until it is over."""
    folder = tmp_path_factory.mktemp("e2e")
    scene = Scene(
        speed=SPEED,
        trace=write_trace(folder),
        example=copy_example(folder),
        startup_seconds=STARTUP_SECONDS,
        scrape_seconds=1.0,
        cycle_seconds=5.0,
    )
    with Processes(folder / "run") as processes:
        sandbox = start(processes, Progress(), scene)
        state = wait_for(lambda: (fetch(f"{sandbox.simulator_url}/state") or {}).get("started_at"), seconds=60)
        kubectl = Kubectl(binaries / "kubectl", sandbox.control_plane.kubeconfig)
        watched = Run(sandbox, processes, kubectl, float(str(state)))
        watched.watch(until=watched.started_at + (PLAYED_BEFORE_SECONDS + 2.0 * 3600.0) / SPEED + 10.0)
        yield watched
