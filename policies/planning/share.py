"""Sharing pools among workloads of equal priority: of what each offers, the choice that loses least together.

Each workload offers counts with their expected loss (`scaling/bayes.py`); one offer of each is taken, so that no pool
must start more replicas than it has free GPUs for. It is the master program of `allocation/decompose.py`, with offers
that were weighed path by path. One that could do with another pool makes room for one that could not. Pools are sums of
GPUs there; what the nodes cannot hold of what was chosen comes back as a smaller pool, and it is chosen again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.allocation.nodes.stock import Stock
from foresail.policies.allocation.offer import Offer
from foresail.policies.planning.usage import starts
from foresail.policies.scaling.bayes import Choice, Offers, RoleOffers
from foresail.policies.scaling.case import Case
from foresail.policies.scaling.choices import weigh_by_role
from foresail.policies.scaling.gather import within
from foresail.policies.scaling.prices import Prices
from foresail.policies.scaling.required import Needs

SECONDS = 1.0  # of the solver, in a cycle of 15
ROUNDS = 3  # what has no room on nodes is not offered again; whoever decides looks once more


def share(cases: Sequence[Case], stock: Stock, prices: Prices) -> list[Case]:
    """The cases with what each gets, where not all can have what they want; as they are where they can.

    Without an answer in time nothing is moved from one variant to another.
    """
    left = stock.free_gpus
    accelerators = tuple(sorted(left))
    free = np.array([float(left[name]) for name in accelerators])
    seated = [within(case, stock) for case in cases]
    if not accelerators or (all(map(_fits, seated)) and not _homeless(cases, stock, accelerators).any()):
        return list(cases)
    offered = [_offers(case, prices) for case in seated]
    chosen = _choose_for(cases, offered, accelerators, free)
    for _ in range(ROUNDS):
        homeless = _homeless(chosen or (), stock, accelerators)
        if not homeless.any():
            break
        taken = _gpus_of(chosen or (), accelerators)
        free = np.where(homeless > 0, np.minimum(free, taken - homeless), free)
        chosen = _choose_for(cases, offered, accelerators, free)
    return [_without_swaps(case, prices) for case in cases] if chosen is None else chosen


def _choose_for(
    cases: Sequence[Case], offered: Sequence[tuple[RoleOffers, ...]], accelerators: Sequence[str], free: FloatArray
) -> list[Case] | None:
    """The cases with what each gets of so many free GPUs; None when time ran out before anything was found."""
    roles = [(case, role) for case, own in zip(cases, offered, strict=True) for role in own]
    gpus = [starts(case, role.seats, role.offers.counts, accelerators) for case, role in roles]
    anyway = [own.min(axis=0) for own in gpus]  # a minimum above what runs: it is nothing to choose
    free = np.maximum(free - np.sum(anyway, axis=0), 0.0)
    asked = zip(roles, gpus, anyway, strict=True)
    chosen = _choose([_priced(role.offers, own - least, free) for (_, role), own, least in asked], free)
    if chosen is None:
        return None
    choices = iter(role.offers.choice(index) for (_, role), index in zip(roles, chosen, strict=True))
    return [replace(case, planned=tuple(next(choices) for _ in own)) for case, own in zip(cases, offered, strict=True)]


def _homeless(cases: Sequence[Case], stock: Stock, accelerators: Sequence[str]) -> FloatArray:
    """GPUs of replicas beyond what runs, and beyond minima, for which nodes have no room all together, by accelerator.

    Each may fit alone where GPUs lie scattered, or where CPU or memory beside them is short. Larger ones go first.
    """
    minima, more = [], []
    for case in cases:
        for v, count in zip(_seats_of(case), _counts_of(case), strict=True):
            seat = case.seats[v]
            least = max(seat.variant.min_replicas, seat.current)
            minima.append((seat.taker, min(count, least) - seat.current))
            more.append((seat.taker, count - least))
    for taker, count in minima:
        stock = stock.take(taker, count)
    homeless = dict.fromkeys(accelerators, 0.0)
    for taker, count in sorted(more, key=lambda each: -each[0].gpus):
        room = stock.room(taker, 0) if count > 0 else None
        if room is not None:
            homeless[taker.variant.accelerator or ""] += max(count - room, 0) * taker.gpus
            stock = stock.take(taker, count)
    return np.array([homeless[name] for name in accelerators])


def _seats_of(case: Case) -> list[int]:
    return [v for role in case.offers for v in role.seats]


def _counts_of(case: Case) -> list[int]:
    return [count for choice in planned_of(case) for count in choice.counts]


def planned_of(case: Case) -> tuple[Choice, ...]:
    """What a case gets: what it wants where nobody had to share."""
    return tuple(role.offers.best for role in case.offers) if case.planned is None else case.planned


def _fits(seated: Case) -> bool:
    """Whether a workload alone could have what it wants: GPUs scattered over nodes hold no large replica."""
    wanted = [(v, n) for role in seated.offers for v, n in zip(role.seats, role.offers.best.counts, strict=True)]
    return all((most := seated.seats[v].most) is None or n <= most for v, n in wanted)


def _without_swaps(case: Case, prices: Prices) -> Case:
    if not isinstance(case.needs, Needs) or len(case.seats) < 2:
        return case
    held = replace(case, no_swaps="no way to share the pools was found in time")
    return replace(held, offers=weigh_by_role(held, case.needs, prices, capped=False))


def _gpus_of(cases: Sequence[Case], accelerators: Sequence[str]) -> FloatArray:
    """GPUs that the choices take beyond what runs."""
    taken = [starts(case, _seats_of(case), np.array([_counts_of(case)]), accelerators)[0] for case in cases]
    return np.asarray(np.sum(taken, axis=0))


def _offers(seated: Case, prices: Prices) -> tuple[RoleOffers, ...]:
    """What fits of what was weighed, where the best of it does; else weighed anew within the caps."""
    if _fits(seated):
        return tuple(RoleOffers(role.seats, _within(role, seated)) for role in seated.offers)
    return weigh_by_role(seated, seated.needs, prices, capped=True) if isinstance(seated.needs, Needs) else ()


def _within(role: RoleOffers, case: Case) -> Offers:
    caps = [case.seats[v].most for v in role.seats]
    most = np.array([np.inf if cap is None else cap for cap in caps])
    kept = (role.offers.counts <= most).all(axis=1)
    return Offers(role.offers.counts[kept], role.offers.loss_usd_per_hour[kept], role.offers.unserved_replicas[kept])


def _priced(offers: Offers, gpus: FloatArray, free: FloatArray) -> dict[int, Offer]:
    """Offers by index: those that fit, and of those that take the same GPUs, shape (N, A), the one that loses least."""
    loss = offers.loss_usd_per_hour
    fits = np.flatnonzero((gpus <= free).all(axis=1))
    best: dict[bytes, int] = {}
    for index in fits[np.argsort(loss[fits], kind="stable")]:
        best.setdefault(gpus[index].tobytes(), int(index))
    kept = np.array(list(best.values()), np.intp)
    return {int(i): Offer((int(i),), float(loss[i]), gpus[i]) for i in kept[_worthy(gpus[kept])]}


def _worthy(gpus: FloatArray) -> BoolArray:
    """Of offers in the order of their loss, shape (N, A): those that take less of something than all before them."""
    return np.array([not (gpus[:row] <= gpus[row]).all(axis=1).any() for row in range(len(gpus))], bool)


def _choose(offers: Sequence[dict[int, Offer]], free: FloatArray) -> list[int] | None:
    """The index of the offer that is taken, for each; None when time ran out before anything was found."""
    from foresail.policies.allocation.master import CHOICE_GAP, choose  # noqa: PLC0415 - lazy: 6 MB

    every = [(place, offer) for place, own in enumerate(offers) for offer in own.values()]
    found = choose(free, every, gap=CHOICE_GAP, seconds=SECONDS).offers
    return None if found is None else [offer.replicas[0] for offer in found]
