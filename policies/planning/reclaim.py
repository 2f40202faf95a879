"""Reclaiming GPUs: where a pool has no more, a workload of greater priority takes those of lesser ones that act.

Taken is what it lacks and no more, from the least priority first, down to the minima. Nobody gives who is himself in
the dark, in a person's hands, or not ours to scale: an unknown demand, an override, an open schedule, a rival.

What it waits for stays claimed until it has it: GPUs that are too few for a replica yet, or lie on several nodes, or
that a replica without a node does not take. If lesser ones took them meanwhile they would give them back at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from foresail.domain.workload import Mode, SelectPolicy, WorkloadKey
from foresail.policies.allocation.nodes.stock import Stock, Taker
from foresail.policies.planning.share import planned_of, share
from foresail.policies.planning.usage import Gpus, gpus_per_replica
from foresail.policies.scaling import words
from foresail.policies.scaling.case import Case, active_rival
from foresail.policies.scaling.prices import Prices
from foresail.policies.scaling.schedule import open_schedule


def claim(shared: Sequence[Case], lesser: Sequence[Case], stock: Stock, prices: Prices) -> Gpus:
    """GPUs by accelerator that cases of one priority are to have beside those on which they run, if any of them lacks.

    Args:
        shared: Cases of one priority with what each gets of the free GPUs.
        lesser: Cases of lesser priority.
        stock: What is free.
        prices: Of losses.
    """
    if not any(map(_lacks, shared)):
        return {}
    freed = [*_takers(filter(may_give, lesser), _spare), *_takers(lesser, _going)]
    if freed:
        more = stock.together(freed)
        shared = share([replace(case, planned=None) for case in shared], more, prices)
    return _to_bind(shared, tuple(stock.free_gpus))


def reclaim(shared: Sequence[Case], lesser: Sequence[Case], stock: Stock, claimed: Gpus) -> list[Case]:
    """The lesser cases with what they must give.

    Args:
        shared: Cases of one priority with what each gets of the free GPUs.
        lesser: Cases of lesser priority, in the order in which they take.
        stock: What is free.
        claimed: GPUs that the greater priority is to have.
    """
    free, coming = stock.free_gpus, _coming(lesser)
    lacking = {name: count - free[name] - coming.get(name, 0) for name, count in claimed.items()}
    if not any(count > 0 for count in lacking.values()):
        return list(lesser)
    named = next((case for case in shared if _lacks(case)), shared[0])
    return _take(lesser, lacking, f"{named.workload.key}, whose priority is {named.workload.priority}")


def waiting(shared: Sequence[Case], before: Sequence[Case], after: Sequence[Case]) -> list[Case]:
    """The cases of a priority, those that lack something with who of the lesser ones gives way for them now."""
    givers = tuple(
        f"{new.workload.key} gives way with {words.replicas(sum(new.reclaimed))}"
        for old, new in zip(before, after, strict=True)
        if new.reclaimed != old.reclaimed
    )
    return [replace(case, givers=givers) if givers and _lacks(case) else case for case in shared]


def may_give(case: Case) -> bool:
    """Whether replicas may be taken from a workload."""
    return (
        case.workload.mode is Mode.AUTO
        and case.demand_known
        and case.override is None
        and active_rival(case) is None
        and open_schedule(case.workload.schedules, case.now) is None
        and case.workload.behavior.scale_down.select_policy is not SelectPolicy.DISABLED
    )


def _lacks(case: Case) -> bool:
    """Whether a workload gets less of the demand served than it wants, or waits for GPUs to start on."""
    if any(seat.replicas.pending for seat in case.seats):
        return True
    wanted = [role.offers.best for role in case.offers]
    return any(
        got.unserved_replicas > want.unserved_replicas + 1e-3
        for got, want in zip(planned_of(case), wanted, strict=True)
    )


def _spare(case: Case) -> list[int]:
    return [max(current - least, 0) for current, least in zip(case.current, case.least, strict=True)]


def _takers(cases: Iterable[Case], replicas: Callable[[Case], Sequence[int]]) -> list[tuple[Taker, int]]:
    """Replicas of each case as what holds GPUs."""
    return [(seat.taker, n) for case in cases for seat, n in zip(case.seats, replicas(case), strict=True) if n > 0]


def _going(case: Case) -> list[int]:
    """Replicas whose pods are on their way out."""
    return [seat.replicas.draining for seat in case.seats]


def _coming(cases: Sequence[Case]) -> dict[str, int]:
    """GPUs by accelerator of pods that are on their way out."""
    total: dict[str, int] = {}
    for taker, count in _takers(cases, _going):
        if taker.variant.accelerator is not None:
            total[taker.variant.accelerator] = total.get(taker.variant.accelerator, 0) + count * taker.gpus
    return total


def _to_bind(cases: Sequence[Case], accelerators: Sequence[str]) -> dict[str, int]:
    """GPUs for what each should have and has no node for yet, by accelerator."""
    total = np.zeros(len(accelerators))
    for case in cases:
        for seats, choice in zip(case.roles, planned_of(case), strict=True):
            bound = [case.current[v] - case.seats[v].replicas.pending for v in seats]
            more = np.maximum(np.array(choice.counts) - bound, 0)
            total += more @ gpus_per_replica(case, seats, accelerators)
    return dict(zip(accelerators, total.astype(int).tolist(), strict=True))


def _take(lesser: Sequence[Case], lacking: Gpus, whose: str) -> list[Case]:
    """From the last in line, as many replicas of each pool as hold what is lacking."""
    left = dict(lacking)
    given: dict[WorkloadKey, tuple[int, ...]] = {}
    for case in filter(may_give, reversed(lesser)):
        taken = []
        for seat, spare in zip(case.seats, _spare(case), strict=True):
            name, size = seat.variant.accelerator or "", seat.variant.gpus_per_replica
            taken.append(min(spare, math.ceil(max(left.get(name, 0), 0) / size)))
            left[name] = left.get(name, 0) - taken[-1] * size
        given[case.workload.key] = tuple(taken)
    return [_giving(case, given, whose) for case in lesser]


def _giving(case: Case, given: Mapping[WorkloadKey, tuple[int, ...]], whose: str) -> Case:
    taken = given.get(case.workload.key, ())
    return replace(case, reclaimed=taken, reclaimed_for=whose) if any(taken) and not any(case.reclaimed) else case
