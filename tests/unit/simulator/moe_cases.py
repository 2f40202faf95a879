"""A small model on few GPUs, for tests of the runtime."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from foresail.policies.moe.balance import place
from foresail.policies.moe.placement import EMPTY, Change, IntArray
from foresail.policies.moe.stay import stay
from foresail.simulator.experts.model import Shape, write_checkpoint
from foresail.simulator.experts.runtime import Runtime
from foresail.simulator.experts.segment import SHARED

SHAPE = Shape(layers=3, experts=8, width=16, inner=32, sessions=3, history=16)
SLOTS = 6


@contextmanager
def serving(folder: Path, gpus: int, *, slots: int = SLOTS) -> Iterator[Runtime]:
    """A runtime that serves from so many GPUs, gone afterwards with all of its memory."""
    checkpoint = folder / "experts.bin"
    write_checkpoint(SHAPE, checkpoint)
    runtime = Runtime(SHAPE, checkpoint, staging_experts=slots)
    try:
        runtime.start(place(np.ones((SHAPE.layers, SHAPE.experts)), gpus, slots))
        yield runtime
    finally:
        runtime.close()
    assert not list(SHARED.glob(f"foresail-moe-{os.getpid()}-*"))  # others may run at the same time


def placement_of(runtime: Runtime, slots: int = SLOTS) -> IntArray:
    """What is where."""
    found = np.full((SHAPE.layers, len(runtime.gpus), slots), EMPTY)
    for index, gpu in enumerate(runtime.gpus):
        for layer in range(SHAPE.layers):
            held = sorted(expert for (there, expert) in gpu.pages if there == layer)
            found[layer, index, : len(held)] = held
    return found


def change_to(
    runtime: Runtime, keep: list[int], gpus: int, *, slots: int = SLOTS, seed: int = 0
) -> tuple[Change, IntArray]:
    """A change after loads have shifted, and its plan."""
    loads = np.random.default_rng(seed).pareto(1.5, (SHAPE.layers, SHAPE.experts)) + 0.1
    change = Change(loads, placement_of(runtime, max(slots, SLOTS)), np.array(keep), gpus, slots)
    return change, stay(change, 1.1).placement
