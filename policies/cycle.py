"""One cycle: from what is known of the fleet and what is remembered to a decision for every workload.

Pure: the operator calls it with live data, the simulator with a trace, the tests with builders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress, groupby

from foresail.domain.decision import CycleResult
from foresail.domain.forecast import Forecast
from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import FleetSnapshot, Unknown
from foresail.domain.workload import Mode, WorkloadKey
from foresail.policies.allocation.greedy import by_priority
from foresail.policies.allocation.nodes.stock import Stock, stock_of
from foresail.policies.planning.reclaim import claim, reclaim, waiting
from foresail.policies.planning.share import share
from foresail.policies.scaling.case import Case, active_rival
from foresail.policies.scaling.decide import Decided, decide
from foresail.policies.scaling.gather import gather, within
from foresail.policies.scaling.prices import Prices

__all__ = ["Prices", "run_cycle"]

_NO_FORECAST = Unknown(Reason.FORECAST_UNKNOWN, "none was made for it yet")


def run_cycle(
    snapshot: FleetSnapshot,
    forecasts: Mapping[WorkloadKey, Forecast | Unknown],
    memory: Memory,
    prices: Prices = Prices(),  # noqa: B008  frozen
) -> CycleResult:
    """Decide for the whole fleet: those of greater priority take first, those of equal priority are decided together.

    Args:
        snapshot: What is known at one instant.
        forecasts: Of demand, by workload; a missing one is unknown.
        memory: What the cycle before left; what is no longer in the snapshot is dropped.
        prices: Of replicas without a price, and of switching.

    Returns:
        A decision per workload, in the snapshot's order, and the memory for the next cycle.
    """
    cases = [
        gather(snapshot, observation, forecasts.get(key, _NO_FORECAST), memory.workloads.get(key), prices)
        for observation in by_priority(snapshot.workloads.values())
        for key in (observation.workload.key,)
    ]
    decided = _decide_all(cases, stock_of(snapshot.pools), prices)
    return CycleResult(
        {key: decided[key].decision for key in snapshot.workloads},
        Memory({key: decided[key].memory for key in snapshot.workloads}),
    )


def _decide_all(cases: Sequence[Case], stock: Stock, prices: Prices) -> dict[WorkloadKey, Decided]:
    decided: dict[WorkloadKey, Decided] = {}
    left = list(cases)
    for _, level in groupby(cases, key=_level):
        size = len(list(level))
        equals, left = left[:size], left[size:]
        settled = [_is_settled(case) for case in equals]
        for case in compress(equals, settled):
            decided[case.workload.key], stock = _decide(case, stock, prices, keeps=False)
        shared = share([case for case, done in zip(equals, settled, strict=True) if not done], stock, prices)
        claimed, before = claim(shared, left, stock, prices), stock.free_gpus
        given = reclaim(shared, left, stock, claimed)
        shared, left = waiting(shared, left, given), given
        for case in shared:
            decided[case.workload.key], stock = _decide(case, stock, prices, keeps=case.demand_known)
        taken = {name: before[name] - free for name, free in stock.free_gpus.items()}
        stock = stock.without({name: count - taken[name] for name, count in claimed.items()})
    return decided


def _level(case: Case) -> tuple[int, WorkloadKey | None]:
    """What is shared among: what is only advised takes nothing from those that act, nor from each other."""
    acts = case.workload.mode is Mode.AUTO
    return case.workload.priority, None if acts else case.workload.key


def _is_settled(case: Case) -> bool:
    """Whether something else than the demand decides, so that there is nothing to share."""
    return not case.offers or case.override is not None or active_rival(case) is not None


def _decide(case: Case, stock: Stock, prices: Prices, *, keeps: bool) -> tuple[Decided, Stock]:
    """A decision and what it leaves; `keeps`: what the workload is to have stays for it, though it may not take all."""
    seated = within(case, stock)
    found = decide(seated, prices)
    if case.workload.mode is Mode.AUTO:
        planned = found.memory.last_required if keeps else {}
        counts = {variant.name: variant.desired or 0 for variant in found.decision.variants}
        for seat in seated.seats:
            count = max(counts[seat.name], planned.get(seat.name, 0))
            stock = stock.take(seat.taker, count - seat.current)
    return found, stock
