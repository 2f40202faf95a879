"""How wide a mixture-of-experts model should be: grow its group, shrink it, add or take a replica, rebalance, or wait.

Growing is quick where ranks wait in stand-by and buys GPUs one rank at a time; a replica is slower to start, larger,
and pauses nobody. Every change that the engine allows is priced over the same paths, and the cheapest is taken; of
equals the one that changes least.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from foresail.policies.moe.decision import Action, Change, Cost, Situation, expected_cost
from foresail.policies.moe.limits import Refusal, refusal

REPLICA_GPUS = (4, 8, 12, 16, 24, 32)  # besides the size of the group that runs
MOST_REPLICAS = 8  # added at once
RELATIVE_TIE = 1e-9
TOLD = 3  # kinds of change that the sentence compares the choice with


@dataclass(frozen=True, slots=True)
class Alternative:
    """A change with its expected cost.

    Args:
        change: What would be done.
        cost: What it costs; None where it is refused.
        refused: Why it is not possible, None where it is.
    """

    change: Change
    cost: Cost | None
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do.

    Args:
        choice: The cheapest.
        alternatives: All of them, the cheapest first, refused ones last.
        message: One sentence why.
    """

    choice: Alternative
    alternatives: tuple[Alternative, ...]
    message: str


def decide(situation: Situation) -> Decision:
    """Price everything that could be done and choose."""
    priced = [Alternative(change, expected_cost(situation, change)) for change in changes(situation)]
    priced.sort(key=lambda one: (_total(one), abs(one.change.gpus), one.change.action))
    least = _total(priced[0])
    near = [one for one in priced if _total(one) <= least + RELATIVE_TIE * max(1.0, abs(least))]
    choice = min(near, key=lambda one: (abs(one.change.gpus), one.change.action != "nothing"))
    alternatives = (*priced, *_refused(situation))
    return Decision(choice, alternatives, _sentence(situation, choice, alternatives))


def _total(one: Alternative) -> float:
    return float("inf") if one.cost is None else one.cost.total


def changes(situation: Situation) -> Iterator[Change]:
    """All changes that the engine and the GPUs allow, doing nothing first."""
    engine, group, have = situation.engine, situation.group, _have(situation)
    yield Change("nothing", engine.gpus, group.replicas, 0, have, have, 0.0)
    if group.balance_after is not None:
        yield _rebalance(situation)
    yield from (_shrink(situation, gpus) for gpus in _sizes(situation, "shrink"))
    yield from (_grow(situation, gpus) for gpus in _sizes(situation, "grow"))
    if group.replicas > 1:
        drain = situation.times.drain
        after = have - engine.gpus
        yield Change("remove-replica", engine.gpus, group.replicas - 1, -engine.gpus, have, after, drain)
    yield from _replicas(situation)


def _have(situation: Situation) -> float:
    return float(situation.engine.gpus * situation.group.replicas)


def _sizes(situation: Situation, action: Action) -> Iterator[int]:
    """Sizes of the group that are possible and do not exceed what is idle."""
    engine, limits = situation.engine, situation.limits
    most = min(limits.most_gpus, engine.gpus + situation.group.spare_in_fabric)
    low, high = (engine.gpus + 1, most) if action == "grow" else (limits.least_gpus, engine.gpus - 1)
    for gpus in range(low, high + 1):
        if gpus % limits.step_gpus == 0 and refusal(engine, gpus) is None and _fits(situation, gpus):
            yield gpus


def _fits(situation: Situation, gpus: int) -> bool:
    """Whether the weights leave room for a cache."""
    return situation.kv_tokens(situation.engine.slots_at(gpus)) > 0


def useful(situation: Situation, gpus: int) -> float:
    """What a group of another size serves, in GPUs of now."""
    engine = situation.engine
    kept = 1.0 - situation.prices.loss_per_gpu * (gpus - engine.gpus)
    now = situation.efficiency(engine.slots_per_gpu)
    relative = situation.efficiency(engine.slots_at(gpus)) / now if now else 1.0
    return gpus * max(kept, 0.0) * relative * situation.gain


def ready_seconds(situation: Situation, gpus: int) -> float:
    """From now until a group has grown: one rank that joins and was not in stand-by holds all of them up."""
    times, added = situation.times, gpus - situation.engine.gpus
    waits = added <= situation.group.standby_gpus
    start = 0.0 if waits else times.pod + times.process
    warm = times.warm * (times.standby_warm_share if waits else 1.0)
    moved = situation.ingress_bytes(situation.engine.slots_at(gpus)) / situation.hardware.link_bytes_per_second
    return start + moved + warm + situation.limits.pause_up_seconds


def _grow(situation: Situation, gpus: int) -> Change:
    engine, group, have = situation.engine, situation.group, _have(situation)
    others = have - engine.gpus
    return Change(
        "grow",
        gpus,
        group.replicas,
        gpus - engine.gpus,
        have,
        useful(situation, gpus) + others,
        ready_seconds(situation, gpus),
        situation.limits.pause_up_seconds,
        engine.gpus,
        situation.ingress_bytes(engine.slots_at(gpus)),
    )


def _shrink(situation: Situation, gpus: int) -> Change:
    engine, group, have = situation.engine, situation.group, _have(situation)
    after, limits = useful(situation, gpus) + have - engine.gpus, situation.limits
    ready, pause = limits.shrink_seconds, limits.pause_down_seconds
    return Change("shrink", gpus, group.replicas, gpus - engine.gpus, have, after, ready, pause, engine.gpus)


def _rebalance(situation: Situation) -> Change:
    """Experts placed anew in the same size; copies are taken to stop the group, which is the most they can do."""
    engine, group, have = situation.engine, situation.group, _have(situation)
    seconds = group.copies_per_gpu * situation.weights.expert_bytes / situation.hardware.link_bytes_per_second
    after = engine.gpus * situation.gain + have - engine.gpus
    return Change("rebalance", engine.gpus, group.replicas, 0, have, after, seconds, seconds, engine.gpus)


def _replicas(situation: Situation) -> Iterator[Change]:
    """New groups of any size that holds the model, until they suffice on every path or GPUs run out."""
    engine, group, have = situation.engine, situation.group, _have(situation)
    spare = group.spare_in_fabric + group.spare_elsewhere
    most = float(situation.demand.tokens_per_second.max()) / group.tokens_per_second_per_gpu
    now = situation.efficiency(engine.slots_per_gpu) or 1.0
    for gpus in sorted({*REPLICA_GPUS, engine.gpus}):
        slots = -(-engine.experts // gpus)
        each = gpus * situation.efficiency(slots) / now
        for count in range(1, MOST_REPLICAS + 1):
            if each <= 0 or gpus % engine.gpus_per_rank or count * gpus > spare:
                break
            yield _replica(situation, gpus, count, have + count * each)
            if have + count * each >= most:
                break


def _replica(situation: Situation, gpus: int, count: int, after: float) -> Change:
    times, ingress = situation.times, situation.ingress_bytes(-(-situation.engine.experts // gpus))
    ready = times.pod + times.process + ingress / situation.hardware.storage_bytes_per_second + times.warm
    replicas = situation.group.replicas + count
    have = _have(situation)
    return Change("add-replica", gpus, replicas, count * gpus, have, after, ready, ingress_bytes=ingress)


def _refused(situation: Situation) -> Iterator[Alternative]:
    """The next size each way, where it is not possible."""
    engine, step = situation.engine, situation.limits.step_gpus
    ways: tuple[tuple[Action, int], ...] = (("shrink", engine.gpus - step), ("grow", engine.gpus + step))
    for action, gpus in ways:
        said = refusal(engine, gpus) if gpus > 0 else None
        if said is not None:
            have = _have(situation)
            change = Change(action, gpus, situation.group.replicas, gpus - engine.gpus, have, have, 0.0)
            yield Alternative(change, None, said)


def _sentence(situation: Situation, choice: Alternative, alternatives: tuple[Alternative, ...]) -> str:
    change, horizon = choice.change, situation.demand.horizon_seconds
    rivals = {one.change.action: one for one in reversed(alternatives) if one.cost is not None}
    next_best = sorted((one for name, one in rivals.items() if name != change.action), key=_total)
    others = [_told(situation, one.change, _total(one)) for one in next_best[:TOLD]]
    told = f"{describe(situation, change)} costs least over {horizon:g} s, {_total(choice):,.0f} GPU-seconds"
    late = f"; it is ready in {change.ready_seconds:.0f} s" if change.ready_seconds else ""
    pause = f" with a pause of {change.pause_seconds:.2g} s" if change.pause_seconds else ""
    return f"{told}{late}{pause}" + (f" (next: {'; '.join(others)})." if others else ".")


def _told(situation: Situation, change: Change, total: float) -> str:
    what = describe(situation, change)
    return f"{what[0].lower()}{what[1:]} {total:,.0f}"


def describe(situation: Situation, change: Change) -> str:
    """A change in words."""
    now, added = situation.engine.gpus, change.replicas - situation.group.replicas
    return {
        "nothing": f"Staying at {now} GPUs",
        "rebalance": f"Rebalancing {now} GPUs",
        "shrink": f"Shrinking from {now} to {change.group_gpus} GPUs",
        "grow": f"Growing from {now} to {change.group_gpus} GPUs",
        "remove-replica": f"Removing a replica of {now} GPUs",
        "add-replica": f"Adding {added} x {change.group_gpus} GPUs",
    }[change.action]
