"""The case of one workload: everything that a rule may look at, gathered once, before anything is judged."""

from __future__ import annotations

from dataclasses import dataclass

from foresail.domain.forecast import Forecast
from foresail.domain.memory import WorkloadMemory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import (
    FIELD_MANAGER,
    Demand,
    Replicas,
    Rival,
    Unknown,
    VariantObservation,
    WorkloadObservation,
)
from foresail.domain.workload import Mode, Override, Variant, Workload
from foresail.policies.allocation.nodes.stock import Stock, Taker
from foresail.policies.scaling.backlog import NOTHING
from foresail.policies.scaling.bayes import Choice, RoleOffers
from foresail.policies.scaling.capacity import Work
from foresail.policies.scaling.required import Needs

STUCK_SECONDS = 600.0  # Deployments call a roll-out that makes no progress for ten minutes failed

Counts = tuple[int, ...]  # replicas by variant, in the order of Case.seats


@dataclass(frozen=True, slots=True)
class Seat:
    """One variant whose target was found.

    Args:
        variant: As in the spec.
        observation: As observed.
        replicas: Its counts.
        usd_per_hour: Price of one replica; where nobody named one, a unit to compare counts by, and no money.
        work: What a token costs one replica before the belief corrects it; None when its capacity is unknown.
        most: Replicas for which the pool has room, None when nothing caps them.
        stuck: Replicas that have been pending or starting for longer than they may.
        priced: Whether somebody named the price.
    """

    variant: Variant
    observation: VariantObservation
    replicas: Replicas
    usd_per_hour: float
    work: Work | None
    most: int | None
    stuck: int = 0
    priced: bool = True

    @property
    def current(self) -> int:
        """What the target asks for."""
        return self.replicas.current

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.variant.name

    @property
    def taker(self) -> Taker:
        """What takes GPUs when a replica is added."""
        return Taker(self.variant, self.observation.pod)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One workload in one cycle.

    Args:
        now: Instant, seconds since the epoch.
        cycle_seconds: Time until the next decision.
        leader_since: Since when this process may write.
        observation: As observed.
        memory: What is remembered, this cycle's signals included.
        forecast: Of its demand.
        seats: Variants whose target was found.
        order: Indexes of `seats`, the cheapest per work first.
        roles: The same of those whose capacity is known, by role: each role carries its own part of every request.
        needs: Replicas required, or why they are unknown.
        lead_time_seconds: From a decision to a ready replica.
        stock: What is left in the pools.
        inventory_known: Whether the GPUs of all accelerators in play were counted.
        profiles_missing: Accelerators that variants name and that have no profile.
        profile_notes: What is to be mended in the profiles that variants name, with the reason, though one may go on.
        queued: What waits, as the demand that it adds to the needs.
        no_swaps: Why no variant may give to another; empty where one may.
        offers: Counts that are worth a thought, by role, whatever the pools have; empty while needs are unknown.
        planned: By role, what the workload gets where pools are too small for all that is wanted; None elsewhere.
        reclaimed: Replicas by seat whose GPUs go to a workload of greater priority.
        reclaimed_for: Which one.
        givers: Who of lesser priority gives way for this one, a clause each.
    """

    now: float
    cycle_seconds: float
    leader_since: float
    observation: WorkloadObservation
    memory: WorkloadMemory
    forecast: Forecast | Unknown
    seats: tuple[Seat, ...]
    order: tuple[int, ...]
    roles: tuple[tuple[int, ...], ...]
    needs: Needs | Unknown
    lead_time_seconds: float
    stock: Stock = Stock(None)  # noqa: RUF009  it never changes
    inventory_known: bool = True
    profiles_missing: frozenset[str] = frozenset()
    profile_notes: tuple[tuple[Reason, str], ...] = ()
    queued: Demand = NOTHING
    no_swaps: str = ""
    offers: tuple[RoleOffers, ...] = ()
    planned: tuple[Choice, ...] | None = None
    reclaimed: Counts = ()
    reclaimed_for: str = ""
    givers: tuple[str, ...] = ()

    @property
    def workload(self) -> Workload:
        """Its spec."""
        return self.observation.workload

    @property
    def current(self) -> Counts:
        """What the targets ask for."""
        return tuple(seat.replicas.current for seat in self.seats)

    @property
    def least(self) -> Counts:
        """The spec's minima."""
        return tuple(seat.variant.min_replicas for seat in self.seats)

    @property
    def most(self) -> Counts:
        """The spec's maxima."""
        return tuple(seat.variant.max_replicas for seat in self.seats)

    @property
    def priced(self) -> bool:
        """Whether what the replicas cost is known, of all of them."""
        return all(seat.priced for seat in self.seats)

    @property
    def demand_known(self) -> bool:
        """Whether the demand of now is a value, zero included."""
        return isinstance(self.observation.demand, Demand)

    @property
    def override(self) -> Override | None:
        """A person's count that still holds."""
        override = self.workload.override
        return override if override is not None and self.now < override.until else None

    @property
    def stabilization_seconds(self) -> float:
        """How long nothing is taken away after the picture was broken."""
        return float(self.workload.behavior.scale_down.stabilization_window_seconds)


def edit_key(variant: str, rival: Rival) -> str:
    """Identity of a foreign write, under which memory keeps when it was first seen."""
    return f"{variant}: {rival.name}: {rival.message}"


def last_edit(case: Case) -> float | None:
    """When somebody else last wrote replicas, None when nobody did."""
    times = [
        _edited_at(case, seat, rival)
        for seat in case.seats
        for rival in seat.observation.rivals
        if rival.kind == FIELD_MANAGER
    ]
    return max(times, default=None)


def active_rival(case: Case) -> Rival | None:
    """The rival for which we stand down: a controller, or a hand within a stabilization window.

    Only in Auto: where nothing is written, anybody may set the replicas and still see what we would do. An override is
    a person's word as an edit is, and the one that says until when it holds: no hand makes us stand down while it does.
    """
    if case.workload.mode is not Mode.AUTO:
        return None
    rivals = [rival for seat in case.seats for rival in seat.observation.rivals]
    controllers = [rival for rival in rivals if rival.kind != FIELD_MANAGER and not rival.waits]
    if controllers:
        return controllers[0]
    edited = last_edit(case)
    if case.override is not None or edited is None or case.now - edited >= case.stabilization_seconds:
        return None
    return _last_hand(case)


def overruled_hand(case: Case) -> Rival | None:
    """The hand whose edit stands until our next write, and counts for nothing as an override holds."""
    if case.workload.mode is not Mode.AUTO or case.override is None or active_rival(case) is not None:
        return None
    return _last_hand(case)


def _last_hand(case: Case) -> Rival | None:
    hands = [
        (_edited_at(case, seat, rival), rival)
        for seat in case.seats
        for rival in seat.observation.rivals
        if rival.kind == FIELD_MANAGER
    ]
    return max(hands, key=lambda hand: hand[0], default=(0.0, None))[1]


def _edited_at(case: Case, seat: Seat, rival: Rival) -> float:
    if rival.time is not None:
        return rival.time
    return case.memory.edits_seen.get(edit_key(seat.name, rival), case.now)
