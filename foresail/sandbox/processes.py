"""Processes that are started together and always stopped: each in its own group, with a log, listed in one file.

The list (`pids.json` in the run folder) lets a later `stop` end what a crash left running. A process is only killed
when its start time is the recorded one, so a reused number never hits a stranger.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self


class ProcessError(Exception):
    """A process ended early or was not ready in time; the message carries the end of its log."""


def start_ticks(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None when there is none (or only its corpse)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def kill_group(pid: int, ticks: str) -> None:
    """End a process group at once, if it is still the one that was started."""
    if start_ticks(pid) == ticks:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def stop_recorded(folder: Path) -> list[str]:
    """End what an earlier run in `folder` left running; the names of what was still there."""
    record = folder / "pids.json"
    try:
        recorded: dict[str, tuple[int, str]] = json.loads(record.read_text())
    except (OSError, ValueError):
        return []
    alive = [name for name, (pid, ticks) in recorded.items() if start_ticks(pid) == ticks]
    for pid, ticks in recorded.values():
        kill_group(pid, ticks)
    record.unlink(missing_ok=True)
    return alive


class Processes:
    """Starts processes and ends all of them, also when the block is left by an error or an interrupt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ticks: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> int:
        """Start a process in its own group; its output goes to `NAME.log` in the run folder. Returns its pid."""
        with self.log_of(name).open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=None if environment is None else {**os.environ, **environment},
            )
        self._running[name] = process
        self._ticks[name] = start_ticks(process.pid) or ""
        self._record()
        return process.pid

    def log_of(self, name: str) -> Path:
        """The log of a process."""
        return self.folder / f"{name}.log"

    def is_running(self, name: str) -> bool:
        """Whether the process was started and has not ended."""
        return name in self._running and self._running[name].poll() is None

    def wait_until(self, name: str, ready: Callable[[], bool], *, seconds: float) -> None:
        """Poll until `ready`.

        Raises:
            ProcessError: The process ended, or `seconds` passed.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.is_running(name):
                raise ProcessError(f"{name} ended with exit {self._running[name].returncode}:\n{self.tail(name)}")
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
            kill_group(process.pid, self._ticks.pop(name))
            process.wait(timeout=30)
        self._record()

    def _record(self) -> None:
        running = {name: (process.pid, self._ticks[name]) for name, process in self._running.items()}
        record = self.folder / "pids.json"
        if running:
            record.write_text(json.dumps(running))
        else:
            record.unlink(missing_ok=True)
