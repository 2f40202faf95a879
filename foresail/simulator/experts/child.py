"""A process that answers, and its end: questions go through a pipe, and a dead process is an error, not a wait."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

DEADLINE_SECONDS = 60.0
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # of each process


class WorkerLostError(Exception):
    """A process died, or did not answer in time."""


class Child:
    """A process of the runtime."""

    def __init__(self, module: str) -> None:
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, **ONE_THREAD},
        )
        theirs.close()
        self._pipe = Connection(ours.detach())

    def tell(self, question: str, *values: Any) -> None:
        """Ask without waiting; `hear` waits."""
        try:
            self._pipe.send((question, values))
        except OSError as error:
            raise WorkerLostError(f"it is gone: {error}") from error

    def hear(self) -> Any:
        """The answer to the oldest question that was not heard.

        Raises:
            WorkerLostError: There will be none.
        """
        try:
            if not self._pipe.poll(DEADLINE_SECONDS):
                raise WorkerLostError(f"no answer in {DEADLINE_SECONDS:g} s")
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerLostError("it died") from error

    def ask(self, question: str, *values: Any) -> Any:
        """Ask and wait."""
        self.tell(question, *values)
        return self.hear()

    def end(self) -> None:
        """End it; it may take a moment to give its memory back."""
        self.process.kill()
        self._pipe.close()

    def kill(self) -> None:
        """End it and wait until it is gone."""
        self.end()
        self.process.wait()


def answer(answers: Mapping[str, Callable[..., Any]]) -> None:
    """Be a child: answer until the pipe is closed."""
    pipe = Connection(int(sys.argv[1]))
    while True:
        try:
            question, values = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(answers[question](*values))
