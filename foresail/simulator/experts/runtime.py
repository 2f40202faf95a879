"""The coordinator: it starts GPUs and an instance, passes requests on, and knows which instance serves."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.placement import IntArray
from foresail.simulator.experts.child import Child, WorkerLostError
from foresail.simulator.experts.model import Shape, count_loads
from foresail.simulator.experts.pages import Gpu, Key, places, sizes, wanted
from foresail.simulator.experts.segment import Segment, remove, used_bytes

KEEPER, INSTANCE = "foresail.simulator.experts.keeper", "foresail.simulator.experts.instance"
SERIAL = itertools.count()


class Runtime:
    """GPUs, the instance that serves, and what stands by. Requests come from any thread, changes from one."""

    def __init__(self, shape: Shape, checkpoint: Path, *, staging_experts: int) -> None:
        self.shape = shape
        self.checkpoint = checkpoint
        self.staging_experts = staging_experts
        self.gpus: list[Gpu] = []
        self.standby_gpus: list[Gpu] = []
        self.standby: Child | None = None
        self.active: Child | None = None
        self.ended: list[Child] = []  # instances that served
        self.replaced = 0  # instances that died while they served
        self.sessions_lost = 0
        self.epoch = 0  # how often sessions were lost
        self._turn, self._next = threading.Lock(), threading.Lock()
        self._name = f"foresail-moe-{os.getpid()}-{next(SERIAL)}"
        self._cache = Segment(f"{self._name}-cache", 4 * shape.cache_numbers, create=True)

    @contextmanager
    def _between(self) -> Iterator[None]:
        """Between two requests; who waits comes before the next request, however many wait with it."""
        with self._next:
            self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()

    def start(self, placement: IntArray) -> None:
        """Read all experts from storage and serve."""
        self.gpus = self.start_gpus(placement.shape[1])
        self.load(placement)
        fresh = self.start_instance()
        self.attach(fresh, self.gpus)
        self.switch(fresh)

    def start_gpus(self, count: int) -> list[Gpu]:
        """GPUs that hold nothing yet."""
        pages = self.shape.layers * self.shape.experts + self.staging_experts  # those in use alone take memory
        size = pages * self.shape.expert_bytes
        found = [Gpu(f"{self._name}-gpu-{next(SERIAL)}", Child(KEEPER), size, list(range(pages))) for _ in range(count)]
        ask_all((gpu, ("open", gpu.name, pages, self.shape.expert_bytes)) for gpu in found)
        return found

    def load(self, placement: IntArray) -> None:
        """Fill GPUs from storage."""
        taken = {gpu.name: gpu.take(sorted(wanted(placement, index))) for index, gpu in enumerate(self.gpus)}
        orders = []
        for gpu in self.gpus:
            read = [(self.index(key), page) for key, page in taken[gpu.name].items()]
            orders.append((gpu, ("load", str(self.checkpoint), read)))
        ask_all(orders)
        for gpu in self.gpus:
            gpu.pages = taken[gpu.name]

    def index(self, key: Key) -> int:
        """Place of an expert in the checkpoint."""
        return key[0] * self.shape.experts + key[1]

    def start_instance(self, fresh: Child | None = None) -> Child:
        """A process that has everything but GPUs; given one, what is left to do."""
        fresh = fresh or Child(INSTANCE)
        fresh.ask("prepare", self.shape, f"{self._name}-cache")
        return fresh

    def stand_by(self, gpus: int, slots: int) -> None:
        """Start what will join, before it is needed: GPUs with their memory, an instance that maps them all."""
        self.standby_gpus, pages = self.start_gpus(gpus), self.shape.layers * slots
        ask_all((gpu, ("reserve", pages)) for gpu in self.standby_gpus)
        fresh = self.start_instance()
        self.attach(fresh, [*self.gpus, *self.standby_gpus])
        fresh.ask("touch", [(gpu.name, page) for gpu in self.standby_gpus for page in gpu.free[-pages:]])
        self.standby = fresh  # from here on it may be taken in the middle of a request

    def take_standby(self) -> Child | None:
        """The instance that stands by, which then does so no more: whoever takes it owns it."""
        with self._between():
            found, self.standby = self.standby, None
        return found

    def attach(self, instance: Child, gpus: Sequence[Gpu]) -> None:
        """Let an instance map GPUs and touch what they hold."""
        instance.tell("attach", sizes(gpus), places(gpus))
        instance.tell("warm")
        for _ in range(2):
            instance.hear()

    def switch(self, instance: Child | None) -> Child | None:
        """From the next request on another instance serves; returns the one that did."""
        with self._between():
            before, self.active = self.active, instance
        return before

    def change(self, table: Mapping[Key, Any]) -> float:
        """Between two requests, let the instance find experts elsewhere; returns for how long none was served."""
        with self._between():
            started = time.perf_counter()
            if self.active is not None:
                self._ask("change", table)
            return time.perf_counter() - started

    def serve(self, session: int, tokens: Sequence[int]) -> tuple[bytes, int]:
        """One request: the answer's bits, and how often sessions were lost before it.

        Raises:
            WorkerLostError: No instance is there.
        """
        with self._between():
            return bytes(self._ask("serve", session, tokens)), self.epoch

    def loads(self) -> FloatArray:
        """Loads of all experts as the instance counted them."""
        with self._between():
            return count_loads(self.shape, np.asarray(self._ask("loads")))

    def _ask(self, question: str, *values: Any) -> Any:
        """Ask what serves; where it has died, another takes over all memory, sessions included, and is asked again."""
        if self.active is None:
            raise WorkerLostError("no instance serves")
        try:
            return self.active.ask(question, *values)
        except WorkerLostError:
            self.ended.append(self.active)
            self.replaced += 1
            fresh, self.standby = self.standby, None
            self.active = fresh or self.start_instance()
            self.attach(self.active, self.gpus)
            return self.active.ask(question, *values)

    def forget_sessions(self) -> None:
        """What a process that ends takes with it."""
        numbers = self._cache.numbers(0, self.shape.cache_numbers)
        self.sessions_lost += int((numbers[-self.shape.sessions :] > 0).sum())
        numbers[:] = 0.0
        self.epoch += 1

    def used_bytes(self) -> dict[str, int]:
        """Memory of each GPU now."""
        return {gpu.name: used_bytes(gpu.name) for gpu in self.gpus}

    def end_gpus(self, gpus: Sequence[Gpu]) -> None:
        """Give GPUs back."""
        for gpu in gpus:
            gpu.keeper.kill()
            remove(gpu.name)

    def close(self) -> None:
        """End all processes and give all memory back."""
        for instance in (self.switch(None), self.standby, *self.ended):
            if instance is not None:
                instance.kill()
        self.end_gpus([*self.gpus, *self.standby_gpus])
        self.gpus, self.standby_gpus, self.ended, self.standby = [], [], [], None
        self._cache.close()
        remove(f"{self._name}-cache")


Order = tuple[Gpu, tuple[Any, ...]]  # who is told, and what


def ask_all(orders: Iterable[Order]) -> None:
    """Ask keepers of GPUs at the same time, and wait for all.

    Raises:
        WorkerLostError: One is gone; the answers of the others were waited for.
    """
    told: list[Gpu] = []
    try:
        tell_all(orders, told)
    finally:
        hear_all(told)


def tell_all(orders: Iterable[Order], told: list[Gpu]) -> None:
    """Tell keepers of GPUs something without waiting; `told` is given those that have to be heard.

    Raises:
        WorkerLostError: One is gone; the others were told.
    """
    lost = None
    for gpu, order in orders:
        try:
            gpu.keeper.tell(*order)
            told.append(gpu)
        except WorkerLostError as error:
            lost = error
    if lost is not None:
        raise lost


def hear_all(told: list[Gpu]) -> None:
    """Wait for the answers of all; afterwards the list is empty.

    Raises:
        WorkerLostError: One is gone; the answers of the others were waited for.
    """
    lost = None
    while told:
        gpu = told.pop(0)
        try:
            gpu.keeper.hear()
        except WorkerLostError as error:
            lost = error
    if lost is not None:
        raise lost
