"""Packages that only some commands need, and what to install where they are missing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from foresail.domain.errors import InputError

if TYPE_CHECKING:
    from foresail.forecasting.neural.model import FlowModel


def need_torch() -> None:
    """Make sure that what trains and runs the flow is installed.

    Raises:
        InputError: It is not.
    """
    _need("flow", ("torch", "pyro", "safetensors"), "train")


def check_plot(file: Path, command: str = "foresail forecast") -> None:
    """Make sure, before anything is computed, that a plot can be drawn and written.

    Args:
        file: Where it goes.
        command: That draws it.

    Raises:
        InputError: It cannot.
    """
    _need("--plot", ("matplotlib",), "plot", command)
    if not file.resolve().parent.is_dir():
        raise InputError(
            str(file),
            "--plot",
            "cannot be written",
            value="no such folder",
            remedy="give a file in a folder that exists",
        )


def flow_model() -> type[FlowModel]:
    """The flow, for whoever trains or runs it.

    Raises:
        InputError: What it needs is not installed.
    """
    need_torch()
    from foresail.forecasting.neural.model import FlowModel  # noqa: PLC0415 - torch, in gigabytes

    return FlowModel


def _need(what: str, names: tuple[str, ...], extra: str, command: str = "foresail forecast") -> None:
    missing = next((name for name in names if find_spec(name) is None), None)
    if missing is not None:
        raise InputError(
            command,
            what,
            f"needs {missing}, which is not installed",
            value=f"no {missing}",
            remedy=f"pip install 'foresail[{extra}]'",
        )
