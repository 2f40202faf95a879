"""One training as a process of its own: `python -m foresail.forecaster.training --into FOLDER`, the job on stdin.

It runs with lowered priority and on one core, and ends when its parent does, however that ends: stdin is a pipe from
the parent, and at its end there is nobody left to train for. What goes wrong is one line on stderr and exit 3.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from foresail.domain.errors import InputError
from foresail.domain.timeseries import Window
from foresail.forecaster.peering import fit_peers
from foresail.forecaster.questions import Subject
from foresail.forecaster.settings import Settings
from foresail.forecaster.shelf import write_past
from foresail.forecasting.card import CARD_FILE, WEIGHTS_FILE
from foresail.forecasting.demand.rehearsal import HISTORY_STEP_SECONDS, coarsen

Fit = Callable[[Window, float, int], tuple[Any, Any]]  # of a past, a horizon and a seed: card and weights

NICENESS: Final = 10
REFUSED: Final = 3


def to_job(subject: Subject, settings: Settings, *, now: float, seed: int) -> bytes:
    """The job, one line."""
    known = {entry.name: getattr(settings, entry.name) for entry in fields(settings)}
    known["prometheus_headers"] = dict(settings.prometheus_headers)
    job = {"subject": subject.model_dump(), "settings": known, "now": now, "seed": seed}
    return json.dumps(job).encode() + b"\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Train; 0: the artifact is in the folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--into", type=Path, required=True)
    folder = parser.parse_args(argv).into
    os.nice(NICENESS)
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        train(Subject.model_validate(job["subject"]), Settings(**job["settings"]), job["now"], job["seed"], folder)
    except InputError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent reads it
        return REFUSED
    return 0


def fit_flow(past: Window, horizon_seconds: float, seed: int) -> tuple[Any, Any]:
    """A flow's card and weights."""
    from foresail.forecasting.neural.training import train as train_flow  # noqa: PLC0415 - torch

    return train_flow(past, horizon_seconds=horizon_seconds, seed=seed)


def train(subject: Subject, settings: Settings, now: float, seed: int, folder: Path, *, fit: Fit = fit_flow) -> None:
    """Read the past, train on it and write the artifact; one too short for a flow borrows from its peers.

    Raises:
        InputError: There is too little of it, or it cannot be read.
    """
    from foresail.forecaster.past import connect, read_past  # noqa: PLC0415 - its client need not be there
    from foresail.forecasting.artifact import encode  # noqa: PLC0415 - nor need safetensors

    past = read_past(connect(settings), subject, settings, now=now)
    try:
        found = fit(past, subject.horizon_seconds, seed)
    except InputError as too_short:
        try:
            found = fit_peers(settings.folder, subject.key, past, subject.horizon_seconds, seed)
        except InputError as alone:
            raise too_short from alone
    text, stored = encode(*found)
    (folder / CARD_FILE).write_text(text, encoding="utf-8")
    (folder / WEIGHTS_FILE).write_bytes(stored)
    write_past(folder, coarsen(past, HISTORY_STEP_SECONDS))


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
