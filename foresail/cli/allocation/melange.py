"""One model in Mélange's JSON: what each GPU type costs and sustains, and how requests are spread over sizes."""

from __future__ import annotations

import numpy as np

from foresail.cli.fields import Field
from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray

FIELDS = ("gpu_info", "workload_distribution", "total_request_rate", "slice_factor")
GPU_FIELDS = ("cost", "tputs", "max_count")
THROUGHPUT = "give requests per second of one GPU, 0 where it cannot serve that size"
ROUNDING = 1e-3  # by which shares may miss 1 without a word


def parse_melange(document: Field) -> tuple[AllocationProblem, int | None, str]:
    """The problem, the slice factor if there is one, and a note for people.

    Raises:
        InputError: A field cannot be understood.
    """
    document.know(FIELDS)
    slices = document["slice_factor"]
    slice_factor = None if slices.absent else slices.whole(least=1)
    rate = document["total_request_rate"].number("give requests per second, 0 or more")
    shares = document["workload_distribution"].matrix("give the share of the requests of that size")
    if rate > 0.0 and not shares.any():
        document["workload_distribution"].fail("has no requests of any size", "give shares that sum to 1")
    gpus = tuple(_gpu(name, field, shares.shape) for name, field in document["gpu_info"].members())
    model = ModelDemand("", rate * shares, gpus)
    return AllocationProblem((model,), {}), slice_factor, _note(shares, rate)


def _gpu(name: str, field: Field, shape: tuple[int, ...]) -> Candidate:
    field.know(GPU_FIELDS)
    most = field["max_count"]
    return Candidate(
        name=name,
        accelerator=name,
        gpus_per_replica=1,
        usd_per_hour=field["cost"].number("give USD per hour of one GPU"),
        capacity_rps=shaped(field["tputs"], shape, "workload_distribution"),
        max_replicas=None if most.absent else most.whole(),
    )


def shaped(field: Field, shape: tuple[int, ...], other: str) -> FloatArray:
    """A matrix of throughputs of the shape that the demand has.

    Raises:
        InputError: It has another shape, or is none.
    """
    matrix = field.matrix(THROUGHPUT)
    if matrix.shape != shape:
        rows, columns = matrix.shape
        field.fail(f"is {rows}x{columns} where {other} is {shape[0]}x{shape[1]}", "give both for the same buckets")
    return matrix


def _note(shares: FloatArray, rate: float) -> str:
    """The rates are the product, as they are upstream; where the shares do not sum to 1 that may surprise."""
    total = float(np.sum(shares))
    if rate <= 0.0 or abs(total - 1.0) <= ROUNDING:
        return ""
    return f"The shares of workload_distribution sum to {total:.4g}: what is planned for is {rate * total:.4g} rps."
