"""Changes of placements to plan, EPLB's published rule as it is written, and a recount of what a plan is worth."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.balance import place
from foresail.policies.moe.placement import EMPTY, LEAVES, Change, IntArray
from foresail.policies.moe.steps import STORAGE, Steps


def make_loads(layers: int = 3, experts: int = 16, seed: int = 0, skew: float = 0.9) -> FloatArray:
    """Zipf's law, shuffled in every layer."""
    rng = np.random.default_rng(seed)
    ranks = np.arange(1, experts + 1) ** -skew
    noise = np.exp(0.25 * rng.standard_normal((layers, experts)))
    return np.stack([rng.permutation(ranks) for _ in range(layers)]) * noise * 1000.0


def drifted(loads: FloatArray, seed: int = 1, spread: float = 0.1) -> FloatArray:
    """The same, some more and some less."""
    return np.asarray(loads * np.exp(spread * np.random.default_rng(seed).standard_normal(loads.shape)))


def make_change(before: int = 4, after: int = 5, *, slots: int = 5, **loads: Any) -> Change:
    """What was placed from scratch for other loads; the last GPUs come or go."""
    popular = make_loads(**loads)
    keep = np.array([gpu if gpu < after else LEAVES for gpu in range(before)])
    return Change(drifted(popular), place(popular, before, slots), keep, after, slots)


def expect_complete(change: Change, placement: IntArray) -> None:
    """Every expert is somewhere, none twice on a GPU, and all slots that can be of use are filled."""
    experts = change.loads.shape[1]
    for layer in placement.tolist():
        held = [[expert for expert in gpu if expert != EMPTY] for gpu in layer]
        assert all(len(gpu) == len(set(gpu)) == min(change.slots, experts) for gpu in held)
        assert {expert for gpu in held for expert in gpu} == set(range(experts))


def expect_safe(change: Change, placement: IntArray, found: Steps, budget: int | None = None) -> None:
    """Carry the waves out one by one, and look at every expert after each.

    Each copy is read from a GPU that holds the expert when its wave starts; what is there afterwards is the plan.
    """
    experts = change.loads.shape[1]
    now = [[set(gpu) - {EMPTY} for gpu in layer] for layer in change.current.tolist()]
    known = [set().union(*layer) for layer in now]
    after: dict[tuple[int, int], set[int]] = {}
    for wave in found.waves():
        expect_readable(wave.tolist(), now, after, change)
        into = Counter(gpu for _, gpu, _, _, _ in wave.tolist())
        assert budget is None or max(into.values()) <= budget
        for layer in {row[0] for row in wave.tolist()}:
            after |= {(layer, gpu): set(placement[layer, gpu].tolist()) - {EMPTY} for gpu in range(change.gpus)}
            there = set().union(*(after[layer, gpu] for gpu in range(change.gpus)))
            assert known[layer] <= there == set(range(experts))
    assert sorted((row[0], row[1], row[2], row[3]) for wave in found.waves() for row in wave.tolist()) == [
        (layer, gpu, slot, int(placement[layer, gpu, slot]))
        for layer, gpu, slot in np.ndindex(placement.shape)
        if placement[layer, gpu, slot] != EMPTY and placement[layer, gpu, slot] not in held_by(change, layer, gpu)
    ]


def expect_readable(
    wave: list[list[int]], now: list[list[set[int]]], after: dict[tuple[int, int], set[int]], change: Change
) -> None:
    for layer, _, _, expert, source in wave:
        if source == STORAGE:
            assert not any(expert in gpu for gpu in now[layer])
            continue
        kept = int(change.keep[source])
        holds = after.get((layer, kept), now[layer][source]) if kept != LEAVES else now[layer][source]
        assert expert in holds


def held_by(change: Change, layer: int, gpu: int) -> set[int]:
    """Experts that a GPU of afterwards holds now."""
    there = np.flatnonzero(change.keep == gpu)
    return set(change.current[layer, there[0]].tolist()) if there.size else set()


def recount(change: Change, placement: IntArray) -> tuple[int, list[float]]:
    """Copies and the balance of every layer, counted one by one."""
    copies, balances = 0, []
    for layer, gpus in enumerate(placement.tolist()):
        times = Counter(expert for gpu in gpus for expert in gpu if expert != EMPTY)
        loads = [sum(change.loads[layer, one] / times[one] for one in gpu if one != EMPTY) for gpu in gpus]
        mean = sum(loads) / len(loads)
        balances.append(max(loads) / mean if mean > 0 else 1.0)
        copies += sum(
            len({one for one in gpu if one != EMPTY} - held_by(change, layer, place)) for place, gpu in enumerate(gpus)
        )
    return copies, balances


def eplb(loads: list[float], gpus: int, slots: int) -> list[list[int]]:
    """The published rule for one layer, global: replicate the largest share, pack the heaviest onto the lightest."""
    counts = [1] * len(loads)
    for _ in range(gpus * slots - len(loads)):
        shares = [load / count for load, count in zip(loads, counts, strict=True)]
        counts[shares.index(max(shares))] += 1
    items = [(loads[one] / counts[one], one) for one in range(len(loads)) for _ in range(counts[one])]
    packs: list[list[int]] = [[] for _ in range(gpus)]
    weights = [0.0] * gpus
    for share, expert in sorted(items, key=lambda item: -item[0]):
        pack = min((one for one in range(gpus) if len(packs[one]) < slots), key=lambda one: weights[one])
        packs[pack].append(expert)
        weights[pack] += share
    return packs
