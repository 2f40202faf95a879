"""A GPU: it keeps experts on pages of its segment, reads them from storage or another GPU, and gives pages back."""

from __future__ import annotations

import mmap
from collections.abc import Sequence

from foresail.simulator.experts.child import answer
from foresail.simulator.experts.model import Numbers
from foresail.simulator.experts.segment import Segment


class Keeper:
    """Memory of one GPU."""

    def __init__(self) -> None:
        self._own: Segment | None = None
        self._others: dict[str, Segment] = {}
        self._page_bytes = mmap.PAGESIZE
        self._size_bytes = 0

    def open(self, name: str, pages: int, page_bytes: int) -> str:
        """Make the segment, empty."""
        self._page_bytes, self._size_bytes = page_bytes, pages * page_bytes
        self._own = Segment(name, self._size_bytes, create=True)
        return name

    def load(self, checkpoint: str, wanted: Sequence[tuple[int, int]]) -> int:
        """Read experts from storage: index in the checkpoint and page of each."""
        with open(checkpoint, "rb", buffering=0) as file:  # noqa: PTH123 - read into shared memory, no copy between
            for index, page in wanted:
                file.seek(index * self._page_bytes)
                file.readinto(self._page(page).data.cast("B"))
        return len(wanted)

    def copy(self, wanted: Sequence[tuple[str, int, int, int]]) -> int:
        """Fetch experts from other GPUs: segment and its size, page there, page here."""
        for name, size_bytes, there, here in wanted:
            if name not in self._others:
                self._others[name] = Segment(name, size_bytes)
            self._others[name].read(there, self._page(here))
        return len(wanted)

    def reserve(self, pages: int) -> int:
        """Take the memory of the last pages, which are used first, as a GPU's memory is there before it is used."""
        most = self._size_bytes // self._page_bytes
        if pages:
            self._segment().reserve(most - pages, pages, self._page_bytes)
        return pages

    def free(self, pages: Sequence[int]) -> int:
        """Give memory back."""
        for page in pages:
            self._segment().give_back(page, self._page_bytes)
        return len(pages)

    def _page(self, index: int) -> Numbers:
        return self._segment().page(index, self._page_bytes)

    def _segment(self) -> Segment:
        if self._own is None:
            raise RuntimeError("open comes first")
        return self._own


def main() -> None:
    """Answer until the coordinator is gone."""
    keeper = Keeper()
    answer(
        {"open": keeper.open, "load": keeper.load, "copy": keeper.copy, "free": keeper.free, "reserve": keeper.reserve}
    )


if __name__ == "__main__":
    main()
