"""Folders with trained models: written beside what is there and then put in its place, read as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from foresail.domain.errors import ArtifactError, InputError
from foresail.forecasting.artifact import Weights, decode, encode
from foresail.forecasting.card import CARD_FILE, WEIGHTS_FILE, Card


def read_artifact(
    folder: Path, *, indicators: Sequence[str] | None = None, step_seconds: float | None = None
) -> tuple[Card, Weights]:
    """The trained model in a folder.

    Raises:
        ArtifactError: It is not there, damaged, or of other indicators or another step.
    """
    # Between the two renames of `write_artifact` the old one still stands under its other name.
    there = _old(folder) if not folder.exists() and _old(folder).exists() else folder
    try:
        text = (there / CARD_FILE).read_bytes().decode()
        stored = (there / WEIGHTS_FILE).read_bytes()
    except OSError as error:
        raise ArtifactError(
            str(folder),
            Path(error.filename).name,
            "cannot be read",
            value=error.strerror,
            remedy="give the folder that `foresail forecast train` wrote",
        ) from error
    except UnicodeDecodeError as error:
        raise ArtifactError(
            str(folder), CARD_FILE, "is not UTF-8", value=error.reason, remedy="copy it again, or train it anew"
        ) from error
    return decode(text, stored, indicators=indicators, step_seconds=step_seconds, source=str(folder))


def write_artifact(folder: Path, card: Card, weights: Weights) -> None:
    """Put a trained model into a folder of its own; what was there stays whole until the new one is.

    Raises:
        OSError: It cannot be written.
        ArtifactError: A weight is not finite.
    """
    text, stored = encode(card, weights)
    made, old = folder.with_name(f"{folder.name}.new"), _old(folder)
    _clear(made)
    made.mkdir(parents=True)
    (made / CARD_FILE).write_bytes(text.encode())
    (made / WEIGHTS_FILE).write_bytes(stored)
    if folder.exists():
        _clear(old)
        folder.rename(old)
    made.rename(folder)
    _clear(old)


def check_output(folder: Path) -> Path:
    """A folder that a trained model may be put into, absolute; made sure of before training, which takes minutes.

    Raises:
        InputError: Something else is there, or nothing can be written there.
    """
    folder = folder.resolve()
    try:
        if _old(folder).exists() and not folder.exists():
            _old(folder).rename(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        others = (
            sorted(path.name for path in folder.iterdir() if path.name not in {CARD_FILE, WEIGHTS_FILE})
            if folder.exists()
            else []
        )
        if not others:
            partial(folder).mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    if others:
        raise InputError(
            str(folder), "--output", "holds other files", value=others[0], remedy="give a folder of its own"
        )
    return folder


def cannot_write(folder: Path, error: OSError) -> InputError:
    """The error to raise where a folder cannot be written."""
    return InputError(
        str(folder), "--output", "cannot be written", value=error.strerror or str(error), remedy="give another folder"
    )


def partial(folder: Path) -> Path:
    """Where an unfinished training keeps what it finished."""
    return folder.with_name(f"{folder.name}.partial")


def _old(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.old")


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
