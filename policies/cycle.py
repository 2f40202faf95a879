"""One cycle: from what is known of the fleet and what is remembered to a decision for every workload.

Pure: the operator calls it with live data, the simulator with a trace, the tests with builders.
"""

from __future__ import annotations

from collections.abc import Mapping

from foresail.domain.decision import CycleResult, Decision
from foresail.domain.forecast import Forecast
from foresail.domain.memory import Memory, WorkloadMemory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import FleetSnapshot, Unknown
from foresail.domain.workload import Mode, WorkloadKey
from foresail.policies.allocation.greedy import by_priority, stock_of
from foresail.policies.scaling.decide import decide
from foresail.policies.scaling.gather import gather
from foresail.policies.scaling.prices import Prices

__all__ = ["Prices", "run_cycle"]

_NO_FORECAST = Unknown(Reason.FORECAST_UNKNOWN, "none was made for it yet")


def run_cycle(
    snapshot: FleetSnapshot,
    forecasts: Mapping[WorkloadKey, Forecast | Unknown],
    memory: Memory,
    prices: Prices = Prices(),  # noqa: B008  frozen
) -> CycleResult:
    """Decide for the whole fleet.

    Args:
        snapshot: What is known at one instant.
        forecasts: Of demand, by workload; a missing one is unknown.
        memory: What the cycle before left; what is no longer in the snapshot is dropped.
        prices: Of replicas without a price, and of switching.

    Returns:
        A decision per workload, in the snapshot's order, and the memory for the next cycle.
    """
    stock = stock_of(snapshot.pools)
    decisions: dict[WorkloadKey, Decision] = {}
    remembered: dict[WorkloadKey, WorkloadMemory] = {}
    for observation in by_priority(snapshot.workloads.values()):
        key = observation.workload.key
        case = gather(
            snapshot,
            observation,
            forecasts.get(key, _NO_FORECAST),
            memory.workloads.get(key),
            stock=stock,
            prices=prices,
        )
        decisions[key], remembered[key] = decide(case, prices)
        # What is only advised takes nothing from those that act.
        if observation.workload.mode is Mode.AUTO:
            for seat, variant in zip(case.seats, _found(decisions[key]), strict=True):
                stock = stock.take(seat.variant, variant - seat.current)
    ordered = {observation.workload.key: observation for observation in snapshot.workloads.values()}
    return CycleResult({key: decisions[key] for key in ordered}, Memory({key: remembered[key] for key in ordered}))


def _found(decision: Decision) -> list[int]:
    return [variant.desired for variant in decision.variants if variant.desired is not None]
