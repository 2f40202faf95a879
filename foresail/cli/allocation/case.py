"""The case that `foresail allocate` is given: one model in Mélange's JSON, or a fleet, told apart by their fields."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foresail.cli.allocation.fleet import parse_fleet
from foresail.cli.allocation.melange import parse_melange
from foresail.cli.fields import Field, read_document
from foresail.domain.allocation import AllocationProblem


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What is to be planned.

    Args:
        source: The file, or standard input.
        problem: Of one model without a name, or of a fleet.
        is_fleet: Whether models have names and accelerators prices.
        accelerators: In the file's order.
        slice_factor: None where there is none.
        note: What people should know of how the file was understood, empty where nothing.
    """

    source: str
    problem: AllocationProblem
    is_fleet: bool
    accelerators: tuple[str, ...]
    slice_factor: int | None = None
    note: str = ""


def read_case(file: Path) -> Case:
    """Read and check a case.

    Raises:
        InputError: It cannot be understood.
    """
    document = read_document(file)
    fields = document.object()
    if "gpu_info" in fields and "models" in fields:
        document["models"].fail(
            "stands beside gpu_info", "give one model (gpu_info) or a fleet (accelerators and models)"
        )
    if "gpu_info" in fields or "workload_distribution" in fields:
        return _one_model(document)
    if "models" not in fields and "accelerators" not in fields:
        document["models"].fail("is missing, and so is gpu_info", "give one model in Mélange's JSON, or a fleet")
    problem = parse_fleet(document)
    return Case(document.source, problem, is_fleet=True, accelerators=tuple(fields["accelerators"]))


def _one_model(document: Field) -> Case:
    problem, slice_factor, note = parse_melange(document)
    names = tuple(candidate.name for candidate in problem.models[0].candidates)
    return Case(document.source, problem, is_fleet=False, accelerators=names, slice_factor=slice_factor, note=note)
