"""Processes that are started together and always stopped: each in its own group, with a log, listed in one file.

Three nets, one under the other: leaving the block ends them; where `setpriv` is installed the kernel ends them when
their supervisor (the thread that started them) is killed; and the list (`pids.json` in the run folder) lets a later
`stop_recorded` end what is left. A process is only touched when its start time is the recorded one, so a reused number
never hits a stranger.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from foresail.domain.errors import ForesailError

FAREWELL_SECONDS = 15.0  # for a supervisor that is asked to end: it still prints its summary


class ProcessError(ForesailError):
    """A process ended early or was not ready in time; the message carries the end of its log."""


class RunningError(ForesailError):
    """A run of this checkout is going on; the message names it and how to end it."""


class Pid(NamedTuple):
    """A process as it is recorded: its number and when it started, in clock ticks since boot."""

    number: int
    ticks: str

    def is_alive(self) -> bool:
        """Whether it runs still, and is the one that was recorded."""
        return start_ticks(self.number) == self.ticks

    def started_at(self) -> float:
        """When it started, seconds since the epoch."""
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.time() - now + int(self.ticks) / os.sysconf("SC_CLK_TCK")

    def kill_group(self) -> None:
        """End it and all that it started, at once."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.number, signal.SIGKILL)


def start_ticks(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None when there is none (or only its corpse)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def record_of(folder: Path) -> dict[str, Any]:
    """What is recorded as running in a folder, empty where nothing is."""
    try:
        recorded: dict[str, Any] = json.loads((folder / "pids.json").read_text())
    except (OSError, ValueError):
        return {}
    return recorded


def stop_recorded(folder: Path) -> list[str]:
    """End what runs in `folder`, be it a run in another terminal or what a crash left; the names of what was there."""
    recorded = record_of(folder)
    running = {name: Pid(*pid) for name, pid in recorded.get("processes", {}).items()}
    alive = [name for name, pid in running.items() if pid.is_alive()]
    if "supervisor" in recorded:
        ask_supervisor(Pid(*recorded["supervisor"]))
    for pid in running.values():
        pid.kill_group()
    (folder / "pids.json").unlink(missing_ok=True)
    return alive


def supervisor_of(folder: Path) -> Pid | None:
    """The run that goes on in `folder`, None when it is over, however it ended."""
    recorded = record_of(folder).get("supervisor")
    supervisor = None if recorded is None else Pid(*recorded)
    return supervisor if supervisor is not None and supervisor.is_alive() else None


def is_at_work(folder: Path) -> bool:
    """Whether anything that is recorded in `folder` runs."""
    processes = record_of(folder).get("processes", {}).values()
    return supervisor_of(folder) is not None or any(Pid(*pid).is_alive() for pid in processes)


def refuse_second_run(folder: Path) -> None:
    """Two runs of one checkout would take each other's folder away.

    Raises:
        RunningError: A run goes on in `folder`.
    """
    other = supervisor_of(folder)
    if other is not None and other.number != os.getpid():
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(other.started_at()))
        raise RunningError(
            f"make up runs from this checkout already, as process {other.number} since {since}; "
            "`make down` ends it, with its summary"
        )


def ask_supervisor(supervisor: Pid) -> None:
    """Let the run in another terminal end in its own way, with its summary, and wait for that."""
    if supervisor.number == os.getpid() or not supervisor.is_alive():
        return
    for number in (signal.SIGTERM, signal.SIGCONT):  # it may have been stopped by Ctrl-Z
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor.number, number)
    deadline = time.monotonic() + FAREWELL_SECONDS
    while supervisor.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)


@functools.cache
def bound_to_us() -> tuple[str, ...]:
    """What to put before a command so that the kernel ends it when we are killed; empty where that is not to be had."""
    command = ("setpriv", "--pdeathsig", "KILL", "--")
    if shutil.which(command[0]) is None:
        return ()
    trial = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if trial.returncode == 0 else ()


class Processes:
    """Starts processes and ends all of them, also when the block is left by an error or an interrupt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._pids: dict[str, Pid] = {}
        self._supervisor = Pid(os.getpid(), start_ticks(os.getpid()) or "")

    def __enter__(self) -> Self:
        self._record()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._is_on_record():
            (self.folder / "pids.json").unlink()

    def start(self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> int:
        """Start a process in its own group; its output goes to `NAME.log` in the run folder. Returns its pid."""
        with self.log_of(name).open("ab") as log:
            process = subprocess.Popen(
                [*bound_to_us(), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=None if environment is None else {**os.environ, **environment},
            )
        self._running[name] = process
        self._pids[name] = Pid(process.pid, start_ticks(process.pid) or "")
        self._record()
        return process.pid

    def log_of(self, name: str) -> Path:
        """The log of a process."""
        return self.folder / f"{name}.log"

    def is_running(self, name: str) -> bool:
        """Whether the process was started and has not ended."""
        return name in self._running and self._running[name].poll() is None

    def check(self) -> None:
        """Make sure that everything that was started runs still.

        Raises:
            ProcessError: Something ended.
        """
        for name in self._running:
            if not self.is_running(name):
                raise ProcessError(self._obituary(name))

    def _obituary(self, name: str) -> str:
        return f"{name} ended with exit {self._running[name].returncode}:\n{self.tail(name)}"

    def wait_until(self, name: str, ready: Callable[[], bool], *, seconds: float) -> None:
        """Poll until `ready`.

        Raises:
            ProcessError: The process ended, or `seconds` passed.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.is_running(name):
                raise ProcessError(self._obituary(name))
            if time.monotonic() > deadline:
                raise ProcessError(f"{name} was not ready after {seconds:.0f} s:\n{self.tail(name)}")
            time.sleep(0.05)

    def tail(self, name: str, *, characters: int = 2000) -> str:
        """The end of a process's log."""
        return self.log_of(name).read_text(errors="replace")[-characters:]

    def ask_to_end(self, name: str, *, seconds: float = 10.0) -> None:
        """Let a process end in its own way (SIGTERM), so that it gives back what it holds; then insist."""
        if self.is_running(name):
            self._running[name].terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running[name].wait(timeout=seconds)
        self.stop(name)

    def stop(self, *names: str) -> None:
        """End the named processes, or all, newest first. SIGKILL: a graceful stop of etcd takes many seconds."""
        for name in names or tuple(reversed(self._running)):
            process = self._running.pop(name, None)
            if process is None:
                continue
            self._pids.pop(name).kill_group()
            process.wait(timeout=30)
        if self._is_on_record():
            self._record()

    def _is_on_record(self) -> bool:
        """Whether the record is ours; it is not when another run has replaced this one."""
        return record_of(self.folder).get("supervisor") == list(self._supervisor)

    def _record(self) -> None:
        unfinished = self.folder / ".pids.json"
        unfinished.write_text(json.dumps({"supervisor": self._supervisor, "processes": self._pids}))
        unfinished.replace(self.folder / "pids.json")
