"""Nothing is left running, however it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from foresail.sandbox.processes import (
    Pid,
    ProcessError,
    Processes,
    RunningError,
    bound_to_us,
    record_of,
    refuse_second_run,
    start_ticks,
    stop_recorded,
)
from tests.conftest import wait_for

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
SUPERVISOR = """
import sys, time
from pathlib import Path
from foresail.sandbox.__main__ import catch_signals
from foresail.sandbox.processes import Processes
catch_signals()
with Processes(Path(sys.argv[1])) as processes:
    processes.start("sleeper", ["sleep", "600"])
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        print("farewell")
"""

STOP = """
import sys
from pathlib import Path
from foresail.sandbox.processes import stop_recorded
print(stop_recorded(Path(sys.argv[1])))
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has started a sleeper in `tmp_path`."""
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, tmp_path], stdout=subprocess.PIPE, text=True)
    wait_for(lambda: "sleeper" in record_of(tmp_path).get("processes", {}), what="the record")
    yield process
    process.kill()
    process.communicate()
    stop_recorded(tmp_path)


def sleeper_of(folder: Path) -> Pid:
    return Pid(*record_of(folder)["processes"]["sleeper"])


def test_a_block_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    started: list[int] = []

    def fail() -> None:
        with Processes(tmp_path) as processes:
            started.append(processes.start("sleeper", SLEEPER))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert start_ticks(started[0]) is None
    assert not (tmp_path / "pids.json").exists()


def test_a_later_stop_ends_what_a_crash_left_running(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        pid = processes.start("sleeper", SLEEPER)
        assert stop_recorded(tmp_path) == ["sleeper"]
        wait_for(lambda: start_ticks(pid) is None, what="the end of the sleeper")
        assert stop_recorded(tmp_path) == []


@pytest.mark.skipif(not bound_to_us(), reason="setpriv is not installed")
def test_a_supervisor_that_is_killed_takes_its_processes_along(
    supervisor: subprocess.Popen[str], tmp_path: Path
) -> None:
    sleeper = sleeper_of(tmp_path)
    assert sleeper.is_alive()
    supervisor.kill()
    wait_for(lambda: not sleeper.is_alive(), what="the end of the sleeper")


def test_a_run_in_another_terminal_is_ended_with_its_last_words(
    supervisor: subprocess.Popen[str], tmp_path: Path
) -> None:
    sleeper = sleeper_of(tmp_path)
    with subprocess.Popen([sys.executable, "-c", STOP, tmp_path], stdout=subprocess.PIPE, text=True) as down:
        said, _ = supervisor.communicate(timeout=30)  # reaps it, as a shell would
        assert down.communicate(timeout=30)[0].strip() == "['sleeper']"
    assert said == "farewell\n"
    assert supervisor.returncode == 0
    assert not sleeper.is_alive()
    assert not (tmp_path / "pids.json").exists()


def test_a_second_run_is_refused_with_who_runs_since_when_and_the_remedy(
    supervisor: subprocess.Popen[str], tmp_path: Path
) -> None:
    with pytest.raises(RunningError, match=rf"process {supervisor.pid} since \d.*Z; `make down`"):
        refuse_second_run(tmp_path)
    assert sleeper_of(tmp_path).is_alive()
    assert abs(Pid(*record_of(tmp_path)["supervisor"]).started_at() - time.time()) < 60


def test_a_record_of_dead_processes_refuses_nobody(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "pids.json").write_text(json.dumps({"supervisor": [gone.pid, "1"], "processes": {"etcd": [1, "1"]}}))
    refuse_second_run(tmp_path)


def test_a_run_that_was_replaced_leaves_the_record_of_the_other_alone(tmp_path: Path) -> None:
    other = {"supervisor": [1, "1"], "processes": {}}
    with Processes(tmp_path):
        (tmp_path / "pids.json").write_text(json.dumps(other))
    # Its own stop rewrites the record only for what it started itself.
    assert record_of(tmp_path) == other


def test_a_stop_spares_a_process_that_only_has_the_same_number(tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEPER, start_new_session=True)
    recorded = {"supervisor": [stranger.pid, "1"], "processes": {"sleeper": [stranger.pid, "1"]}}
    (tmp_path / "pids.json").write_text(json.dumps(recorded))
    assert stop_recorded(tmp_path) == []
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "pids.json").write_text("{")
    assert stop_recorded(tmp_path) == []


def test_a_process_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("speaker", [sys.executable, "-c", "print('no such flag')"])
        with pytest.raises(ProcessError, match="no such flag"):
            processes.wait_until("speaker", lambda: False, seconds=30)


def test_a_process_that_is_asked_to_end_may_tidy_up(tmp_path: Path) -> None:
    tidy = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('tidied'))); print('up'); "
    with Processes(tmp_path) as processes:
        processes.start("tidy", [sys.executable, "-u", "-c", tidy + "signal.pause()"])
        processes.wait_until("tidy", lambda: "up" in processes.tail("tidy"), seconds=30)
        processes.ask_to_end("tidy")
        assert "tidied" in processes.tail("tidy")
        assert not processes.is_running("tidy")
