"""A change of size by a plan, while requests are served: join, commit, settle, release.

Growing: GPUs that join fetch their experts (join), a new instance that maps them takes over (commit), then those that
stay fetch theirs, wave by wave (settle). Shrinking settles before it commits, and then leaving GPUs are given up. So at
any moment the instance that serves finds every expert: until the commit nothing that it reads has changed but by whole
waves, and an expert that a GPU gives up stands elsewhere already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from foresail.policies.moe.placement import LEAVES, Change, IntArray
from foresail.policies.moe.steps import STORAGE, steps
from foresail.simulator.experts.child import Child, WorkerLostError
from foresail.simulator.experts.pages import Gpu, Key, places, wanted
from foresail.simulator.experts.runtime import Order, Runtime, ask_all, hear_all, tell_all

PHASES = ("join", "commit", "settle", "release")


class ResizeError(Exception):
    """A change of size was not finished; the instance that served goes on."""

    def __init__(self, phase: str, why: object) -> None:
        super().__init__(f"stopped in phase {phase}: {why}")
        self.phase = phase


@dataclass(slots=True)
class Resized:
    """What a change of size took.

    Args:
        seconds: In all.
        phases: Seconds of each phase.
        copies: Experts that were fetched.
        copies_into_survivors: Of these by GPUs that serve.
        bytes: That were fetched.
        peak_extra_bytes: Most memory that a GPU that serves had beyond what it has before or afterwards.
        longest_change_seconds: Longest time for which a change of the table held requests up.
    """

    seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    copies: int = 0
    copies_into_survivors: int = 0
    bytes: int = 0
    peak_extra_bytes: int = 0
    longest_change_seconds: float = 0.0


class Resize:
    """One change of size."""

    def __init__(self, runtime: Runtime, change: Change, placement: IntArray) -> None:
        self._runtime, self._change = runtime, change
        joins = ~change.survivors
        self._joining = steps(change, placement, into=joins)  # into memory that nobody reads yet: all at once
        self._staying = steps(change, placement, runtime.staging_experts, into=change.survivors)
        self._wanted = [wanted(placement, gpu) for gpu in range(change.gpus)]
        self._old = list(runtime.gpus)
        self._joins = int(joins.sum())
        self._new: list[Gpu] = []
        self._fresh: Child | None = None
        self._freeing: list[Gpu] = []  # that were told to give pages back, and have not answered yet
        self._settled = self._new_serve = False
        self.found = Resized()

    def run(self, at: Callable[[str], None] | None = None) -> Resized:  # `at` is told each phase: for tests of faults
        """Do it.

        Raises:
            ResizeError: A process that it needs died; what served goes on serving.
        """
        started = time.perf_counter()
        order = PHASES if self._joins else ("settle", "commit", "release")
        for phase in order:
            if at is not None:
                at(phase)
            begun = time.perf_counter()
            try:
                getattr(self, f"_{phase}")()
            except WorkerLostError as error:
                self._give_up()
                raise ResizeError(phase, error) from error
            self.found.phases[phase] = time.perf_counter() - begun
        self.found.seconds = time.perf_counter() - started
        return self.found

    def _join(self) -> None:
        """GPUs that come fetch all their experts; nobody reads them yet."""
        runtime = self._runtime
        self._new = runtime.standby_gpus[: self._joins]
        runtime.standby_gpus = runtime.standby_gpus[self._joins :]
        if len(self._new) < self._joins:
            self._new += runtime.start_gpus(self._joins - len(self._new))
        self._fetch([copy for wave in self._joining.waves() for copy in wave])

    def _gpus(self) -> list[Gpu]:
        """GPUs as they will be called."""
        joining = iter(self._new)
        old = {int(kept): gpu for gpu, kept in zip(self._old, self._change.keep, strict=True) if kept != LEAVES}
        return [old[index] if index in old else next(joining) for index in range(self._change.gpus)]

    def _commit(self) -> None:
        """A new instance takes over between two requests."""
        runtime = self._runtime
        after = self._gpus() if self._settled else [*self._old, *self._new]
        self._fresh = runtime.take_standby() or runtime.start_instance()
        runtime.attach(self._fresh, after)
        before, runtime.gpus = runtime.switch(self._fresh), after
        self._new_serve = True
        if before is not None:
            before.end()
            runtime.ended.append(before)

    def _settle(self) -> None:
        """GPUs that stay fetch theirs, a wave at a time beside what they hold, and give up what they no longer need."""
        runtime, page = self._runtime, self._runtime.shape.expert_bytes
        limit = runtime.used_bytes()
        for index, gpu in enumerate(self._gpus()):
            limit[gpu.name] = max(limit.get(gpu.name, 0), len(self._wanted[index]) * page)
        waves, every = list(self._staying.waves()), set(range(runtime.shape.layers))
        for wave in waves:
            self._fetch(list(wave))
            self.found.copies_into_survivors += len(wave)
            self._measure(limit)
            self._turn(every if wave is waves[-1] else {int(layer) for layer in wave[:, 0]})
        if not waves:
            self._turn(every)
        hear_all(self._freeing)
        self._settled = True

    def _fetch(self, wave: list[IntArray]) -> None:
        """Copies of a wave, all GPUs at the same time; what they bring is in no table yet."""
        hear_all(self._freeing)
        gpus, shape = self._gpus(), self._runtime.shape
        keys: dict[int, dict[Key, int]] = {}
        for layer, gpu, _, expert, source in wave:
            keys.setdefault(int(gpu), {})[int(layer), int(expert)] = int(source)
        orders, taken = [], {}
        for index, sources in keys.items():
            taken[index] = gpus[index].take(sources)
            orders += self._orders(gpus[index], sources, taken[index])
        try:
            ask_all(orders)
        except WorkerLostError:
            for index, pages in taken.items():
                gpus[index].free += pages.values()
            raise
        for index, pages in taken.items():
            gpus[index].pages |= pages
        self.found.copies += len(wave)
        self.found.bytes += len(wave) * shape.expert_bytes

    def _orders(self, gpu: Gpu, sources: dict[Key, int], pages: dict[Key, int]) -> list[Order]:
        """What a GPU is told to copy, and what to read from storage as nobody else has it any more."""
        copies, reads = [], []
        for key, source in sources.items():
            found = self._from(key, source)
            if found is None:
                reads.append((self._runtime.index(key), pages[key]))
            else:
                copies.append((found.name, found.size_bytes, found.pages[key], pages[key]))
        orders = (("copy", copies), ("load", str(self._runtime.checkpoint), reads))
        return [(gpu, order) for order in orders if order[-1]]

    def _from(self, key: Key, source: int) -> Gpu | None:
        """The GPU that was planned, or, where it has died, another one that has the expert."""
        planned = [] if source == STORAGE else [self._old[source]]
        return next((gpu for gpu in [*planned, *self._old] if gpu.alive and key in gpu.pages), None)

    def _measure(self, limit: dict[str, int]) -> None:
        for name, used in self._runtime.used_bytes().items():
            if name in limit:
                self.found.peak_extra_bytes = max(self.found.peak_extra_bytes, used - limit[name])

    def _turn(self, layers: set[int]) -> None:
        """Between two requests the table of some layers changes; then pages that nobody reads are given back."""
        gpus = self._gpus()
        dropped = {index: self._surplus(index, gpu, layers) for index, gpu in enumerate(gpus)}
        freed = {index: gpus[index].drop(keys) for index, keys in dropped.items() if keys}
        leaving = [gpu for gpu, kept in zip(self._old, self._change.keep, strict=True) if kept == LEAVES]
        spent = self._runtime.change(places([*gpus, *leaving], layers))
        self.found.longest_change_seconds = max(self.found.longest_change_seconds, spent)
        for index, pages in freed.items():
            gpus[index].free += pages
        tell_all(((gpus[index], ("free", pages)) for index, pages in freed.items()), self._freeing)

    def _surplus(self, index: int, gpu: Gpu, layers: set[int]) -> list[Key]:
        return [key for key in gpu.pages if key[0] in layers and key not in self._wanted[index]]

    def _release(self) -> None:
        """GPUs that leave are nobody's any more."""
        runtime, after = self._runtime, self._gpus()
        leaving = [gpu for gpu in self._old if gpu not in after]
        if leaving:
            runtime.change(places(after))
        runtime.gpus = after
        runtime.end_gpus(leaving)

    def _give_up(self) -> None:
        """Leave what serves alone; what joins but does not serve is ended."""
        runtime = self._runtime
        with suppress(WorkerLostError):
            hear_all(self._freeing)
        if not self._new_serve:
            runtime.end_gpus(self._new)
            runtime.gpus = self._old
        if self._fresh is not None and not self._new_serve:
            self._fresh.kill()
