"""How figures are drawn and written, whatever is on them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foresail.domain.errors import InputError

STYLE: dict[str, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "font.size": 9,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "text.parse_math": False,  # a name may have a $ in it
}


@contextmanager
def drawing(**style: Any) -> Iterator[None]:
    """Settings of matplotlib that hold while something is drawn; it says nothing of its fonts and folders."""
    from matplotlib import rc_context  # noqa: PLC0415 - lazy

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with warnings.catch_warnings(), rc_context(STYLE | style):
        warnings.filterwarnings("ignore", message="Glyph")  # a script that the font lacks is drawn as boxes
        yield


def save(figure: Any, file: Path) -> None:
    """Write a figure.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        figure.savefig(file)
    except OSError as error:
        raise InputError(
            str(file), "--plot", "cannot be written", value=error.strerror or str(error), remedy="give another file"
        ) from error
