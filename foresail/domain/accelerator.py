"""Accelerators: a GPU type, its price, and what one replica of a model is known to sustain on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class CapacityPoint:
    """A measured capacity: requests per second that one replica sustains within its SLO.

    The token lengths are those of the measurement; None: measured on the workload's own mix, lengths unknown.
    """

    model: str
    gpus_per_replica: int
    requests_per_second: float
    input_tokens: float | None = None
    output_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Capacities of one replica that nobody measured on it.

    Args:
        points: With their lengths.
        source: Where they are known from, in a word.
        provenance: One sentence, with the tool and its version if one made them.
        log_error: How far they may be off: 1 sigma of the logarithm.
    """

    points: tuple[CapacityPoint, ...]
    source: str
    provenance: str
    log_error: float


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One AcceleratorProfile, parsed. `node_selector` tells its nodes, `gpu_resource` what they count.

    `hardware` names its data sheet, None where its nodes' labels tell it.
    """

    name: str
    gpu_resource: str
    node_selector: Mapping[str, str]
    memory_gibibytes: int | None
    usd_per_gpu_hour: Decimal | None
    capacity: tuple[CapacityPoint, ...] = ()
    hardware: str | None = None

    def points_of(self, model: str | None, gpus_per_replica: int) -> tuple[CapacityPoint, ...]:
        """Known capacities of a model at this size of replica, empty when there are none.

        A model without a name (engines need not tell it) is the one that is listed, if it is the only one.
        """
        sized = tuple(point for point in self.capacity if point.gpus_per_replica == gpus_per_replica)
        if model is None and len({point.model for point in self.capacity}) == 1:
            return sized
        return tuple(point for point in sized if point.model == model)


class NodeRoom(NamedTuple):
    """What no pod has asked for on one node: GPUs of one resource, and beside them CPU and memory (None: not known)."""

    node: str
    free_gpus: int
    free_cpu_milli: int | None = None
    free_memory_mebibytes: int | None = None


@dataclass(frozen=True, slots=True)
class PodRequest:
    """What one pod asks of a node: CPU, memory, and `extended` resources such as GPUs or slices of them."""

    cpu_milli: int
    memory_mebibytes: int
    extended: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Pool:
    """The GPUs of one accelerator in the cluster: all allocatable ones and those no pod has asked for.

    Args:
        accelerator: Its name.
        total_gpus: On nodes that take pods.
        free_gpus: Likewise.
        nodes: What is free node by node, empty when that is not known. A node that another pool has too, with the same
            resource, is one node: what is taken there is gone for both.
        largest_node_gpus: Of the largest node; a replica that needs more spans nodes. 0 when that is not known.
        gpu_resource: What is counted; empty when that is not known.
        overlaps: Other accelerators whose profiles select some of the same GPUs.
    """

    accelerator: str
    total_gpus: int
    free_gpus: int
    nodes: tuple[NodeRoom, ...] = ()
    largest_node_gpus: int = 0
    gpu_resource: str = ""
    overlaps: tuple[str, ...] = ()
