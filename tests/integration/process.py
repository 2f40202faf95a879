"""The operator as a process of its own, as a user runs it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.conftest import wait_for

FORESAIL = ("-m", "foresail.cli.main")


class OperatorProcess:
    """`foresail operator`, and what it says on its port."""

    def __init__(self, log: Path, *flags: str, entry: Sequence[str] = FORESAIL) -> None:
        self._log = log
        self._entry = entry
        self.flags = flags
        self.exit_seconds = 0.0

    def __enter__(self) -> Self:
        command = [sys.executable, *self._entry, "operator", "--listen", "127.0.0.1:0", *self.flags]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            found = wait_for(self._find_address, seconds=30, what="the operator's address in its log")
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self.url = f"http://{found}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def end(self) -> int:
        """Send SIGTERM and return the exit status."""
        began = time.monotonic()
        self._process.terminate()
        status = self._process.wait(timeout=10)
        self.exit_seconds = time.monotonic() - began
        return status

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def is_ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def decision(self, namespace: str, name: str) -> dict[str, Any] | None:
        """The last trace of an object, None before there is one."""
        status, text = self.get(f"/api/v1/decisions?namespace={namespace}&name={name}")
        document: dict[str, Any] | None = json.loads(text)["decisions"][0] if status == 200 else None
        return document

    def metric(self, series_name: str, /, **labels: str) -> float | None:
        """The value of the only series with these labels."""
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if re.match(rf"{series_name}(\{{|$)", series) and all(
                f'{key}="{text}"' in series for key, text in labels.items()
            ):
                return float(value)
        return None

    def resident_mebibytes(self) -> float:
        return (self.metric("process_resident_memory_bytes") or 0.0) / 2**20

    def _find_address(self) -> str | None:
        if self._process.poll() is not None:
            raise AssertionError(f"the operator ended:\n{self.log}")
        found = re.search(r"listening=(\S+)", self.log)
        return found[1] if found else None
