"""What serves: it maps the memory of all GPUs and finds each expert by the page table, one request after another."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from foresail.simulator.experts.child import answer
from foresail.simulator.experts.model import Cache, Numbers, Shape, make_frame, step
from foresail.simulator.experts.segment import Segment

Place = tuple[str, int]  # segment and page
Table = Mapping[tuple[int, int], Sequence[Place]]  # places of each expert of a layer


class Instance:
    """One generation of the server."""

    def __init__(self) -> None:
        self._shape = Shape()
        self._segments: dict[str, Segment] = {}
        self._table: dict[tuple[int, int], Sequence[Place]] = {}
        self._turn = 0
        self._touched: set[Place] = set()

    def prepare(self, shape: Shape, cache: str) -> bool:
        """Have ready all that does not depend on GPUs; this is what stand-by means."""
        self._shape, self._frame = shape, make_frame(shape)
        memory = Segment(cache, 4 * shape.cache_numbers)
        self._cache = Cache.over(shape, memory.numbers(0, shape.cache_numbers))
        self._used = np.zeros((shape.layers, shape.experts))
        return True

    def attach(self, sizes: Mapping[str, int], table: Table) -> bool:
        """Map the memory of GPUs; nothing is copied."""
        self._segments |= {name: Segment(name, size) for name, size in sizes.items() if name not in self._segments}
        self._table.update(table)
        return True

    def change(self, table: Table) -> bool:
        """Find some experts elsewhere from now on."""
        self._table.update(table)
        return True

    def warm(self) -> int:
        """Map every page in use that was not mapped yet, so that the first requests do not wait for them."""
        return self.touch({place for places in self._table.values() for place in places})

    def touch(self, places: Collection[Place]) -> int:
        """Map pages in runs, before or after something is written there."""
        new: dict[str, list[int]] = {}
        for name, page in set(places) - self._touched:
            new.setdefault(name, []).append(page)
        for name, pages in new.items():
            for start, count in _runs(sorted(pages)):
                self._segments[name].touch(start, count, self._shape.expert_bytes)
        self._touched.update(places)
        return sum(map(len, new.values()))

    def serve(self, session: int, tokens: Sequence[int]) -> bytes:
        """One request; the answer's bits."""
        self._turn += 1
        request = (session, np.array(tokens, np.int64))
        return step(self._shape, self._frame, self._cache, request, self._expert).tobytes()

    def loads(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """How often each expert was asked for."""
        return self._used

    def _expert(self, layer: int, expert: int) -> Numbers:
        self._used[layer, expert] += 1.0
        places = self._table[layer, expert]
        return self._numbers(places[self._turn % len(places)])  # replicas take turns

    def _numbers(self, place: Place) -> Numbers:
        return self._segments[place[0]].page(place[1], self._shape.expert_bytes)


def _runs(pages: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and count of pages that follow each other."""
    start = 0
    for at in range(1, len(pages) + 1):
        if at == len(pages) or pages[at] != pages[at - 1] + 1:
            yield pages[start], at - start
            start = at


def main() -> None:
    """Answer until the coordinator is gone."""
    own = Instance()
    names = ("prepare", "attach", "change", "warm", "touch", "serve", "loads")
    answer({name: getattr(own, name) for name in names})


if __name__ == "__main__":
    main()
