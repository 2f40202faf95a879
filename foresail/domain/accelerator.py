"""Accelerators: a GPU type, its price, and what one replica of a model is known to sustain on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


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


@dataclass(frozen=True, slots=True)
class Pool:
    """The GPUs of one accelerator in the cluster: all allocatable ones and those no pod has asked for.

    Args:
        accelerator: Its name.
        total_gpus: On nodes that take pods.
        free_gpus: Likewise.
        free_by_node: The free ones node by node, empty when that is not known.
        largest_node_gpus: Of the largest node; a replica that needs more spans nodes. 0 when that is not known.
    """

    accelerator: str
    total_gpus: int
    free_gpus: int
    free_by_node: tuple[int, ...] = ()
    largest_node_gpus: int = 0
