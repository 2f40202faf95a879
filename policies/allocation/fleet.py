"""All models in one program, joined by the GPUs they share: exact, and quick for a handful of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foresail.domain.allocation import AllocationProblem
from foresail.policies.allocation.program import (
    ModelColumns,
    Traffic,
    add_model,
    by_priority,
    most_replicas,
    traffic_of,
)
from foresail.policies.programs.linear import IntArray, LinearProgram


@dataclass(frozen=True, slots=True, eq=False)
class FleetProgram:
    """A fleet as one program.

    Args:
        program: Whose columns and rows these are.
        traffic: By model, in the problem's order.
        columns: By model.
        stock_rows: By accelerator with a cap, GPUs in use.
    """

    program: LinearProgram
    traffic: tuple[Traffic, ...]
    columns: tuple[ModelColumns, ...]
    stock_rows: dict[str, int]


def build(
    problem: AllocationProblem, target_utilization: float = 1.0, slices: int | None = None, *, only_rows: bool = False
) -> FleetProgram:
    """Put all models into one program.

    Args:
        problem: The fleet.
        target_utilization: Load over replicas that a plan may reach, 0…1.
        slices: As for `add_model`.
        only_rows: The stock limits rows and no column, so that it is those whose worth shows in a relaxation.
    """
    gpus = {} if only_rows else problem.gpus
    program = LinearProgram()
    traffic = tuple(traffic_of(model, target_utilization) for model in problem.models)
    columns = tuple(
        add_model(program, model, seen, most_replicas(model, seen, gpus), slices=slices)
        for model, seen in zip(by_priority(problem.models), traffic, strict=True)
    )
    return FleetProgram(program, traffic, columns, share_stock(program, problem, [own.replicas for own in columns]))


def tie(fleet: FleetProgram, pairs: Sequence[IntArray], slices: int = 1) -> None:
    """Let some shares be no more than the replicas of their variant.

    Args:
        fleet: Its program is changed.
        pairs: By model, of the pairs of a bucket and a variant.
        slices: What a whole bucket counts.
    """
    for columns, own in zip(fleet.columns, pairs, strict=True):
        rows = fleet.program.add_rows(len(own), upper=0.0)
        fleet.program.put(rows, columns.shares[own], 1.0)
        fleet.program.put(rows, columns.replicas[columns.pair_variant[own]], -float(slices))


def share_stock(program: LinearProgram, problem: AllocationProblem, replicas: Sequence[IntArray]) -> dict[str, int]:
    """Let no accelerator's GPUs be used beyond its stock; the row of each by name.

    Args:
        program: Changed.
        problem: Whose stock and candidates.
        replicas: Columns by model.
    """
    names = sorted(problem.gpus)
    rows = program.add_rows(len(names), upper=[float(problem.gpus[name]) for name in names])
    for name, row in zip(names, rows, strict=True):
        index, gpus = _users(problem, replicas, name)
        program.put(row, index, gpus)
    return dict(zip(names, rows.tolist(), strict=True))


def _users(problem: AllocationProblem, replicas: Sequence[IntArray], name: str) -> tuple[IntArray, IntArray]:
    pairs = [
        (column, candidate.gpus_per_replica)
        for model, own in zip(problem.models, replicas, strict=True)
        for candidate, column in zip(model.candidates, own, strict=True)
        if candidate.accelerator == name
    ]
    index, gpus = np.array(pairs, np.int64).reshape(-1, 2).T
    return index, gpus
