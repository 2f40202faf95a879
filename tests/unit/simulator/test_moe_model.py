"""The model that the runtime serves, its memory, and its checks."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foresail.simulator.experts.instance import _runs
from foresail.simulator.experts.model import Cache, Numbers, Shape, make_frame, step, write_checkpoint
from foresail.simulator.experts.segment import Segment, remove, used_bytes
from foresail.simulator.experts.traffic import Served, failed, longest_gap_seconds, mismatched
from tests.unit.simulator.moe_cases import SHAPE


def serve(shape: Shape, checkpoint: Path, requests: list[tuple[int, tuple[int, ...]]]) -> list[Numbers]:
    numbers = np.fromfile(checkpoint, np.float32).reshape(shape.layers, shape.experts, -1)
    cache = Cache.over(shape, np.zeros(shape.cache_numbers, np.float32))
    frame = make_frame(shape)
    return [
        step(shape, frame, cache, (session, np.array(tokens)), lambda layer, expert: numbers[layer, expert])
        for session, tokens in requests
    ]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    file = tmp_path / "experts.bin"
    write_checkpoint(SHAPE, file)
    return file


SAID = (1, 2, 3, 4)
NAME = f"foresail-moe-{os.getpid()}-test"


def test_what_a_session_said_before_counts(checkpoint: Path) -> None:
    first, _, again, other = serve(SHAPE, checkpoint, [(0, SAID), (0, (5, 6, 7, 8)), (0, SAID), (1, SAID)])
    assert not np.array_equal(first, again)
    assert np.array_equal(first, other)


def test_a_session_starts_afresh_when_its_history_is_full(checkpoint: Path) -> None:
    told = serve(replace(SHAPE, history=2), checkpoint, [(0, SAID)] * 3)
    assert np.array_equal(told[0], told[2])


def test_another_expert_gives_another_answer(checkpoint: Path) -> None:
    told = serve(SHAPE, checkpoint, [(0, SAID)])[0]
    numbers = np.fromfile(checkpoint, np.float32)
    (numbers * np.float32(1.0001)).tofile(checkpoint)
    assert not np.array_equal(told, serve(SHAPE, checkpoint, [(0, SAID)])[0])


def test_experts_fill_pages_of_memory() -> None:
    with pytest.raises(ValueError, match="must fill pages of 4096 bytes, got 4224"):
        Shape(width=16, inner=33)


def test_a_page_that_is_given_back_takes_no_memory() -> None:
    segment = Segment(NAME, 8 * 4096, create=True)
    try:
        assert used_bytes(NAME) == 0
        for page in range(3):
            segment.page(page, 4096)[:] = 1.0
        segment.give_back(1, 4096)
        assert used_bytes(NAME) == 2 * 4096
        segment.reserve(4, 2, 4096)
        assert used_bytes(NAME) == 4 * 4096
        assert segment.page(2, 4096)[0] == 1.0
    finally:
        segment.close()
        remove(NAME)
    assert used_bytes(NAME) == 0


def test_pages_that_follow_each_other_are_one_run() -> None:
    assert list(_runs([0, 1, 2, 5, 7, 8])) == [(0, 3), (5, 1), (7, 2)]
    assert list(_runs([])) == []


def test_a_wrong_bit_a_failure_and_a_gap_are_seen(checkpoint: Path) -> None:
    right = serve(SHAPE, checkpoint, [(0, SAID), (0, SAID)])
    first = Served(0.0, 0.1, 0, SAID, right[0].tobytes(), 0)
    second = Served(0.2, 0.9, 0, SAID, right[1].tobytes(), 0)
    assert mismatched(SHAPE, checkpoint, [first, second]) == 0
    flipped = replace(second, answer=bytes([right[1].tobytes()[0] ^ 1]) + right[1].tobytes()[1:])
    assert mismatched(SHAPE, checkpoint, [first, flipped]) == 1
    assert mismatched(SHAPE, checkpoint, [first, replace(second, epoch=1, answer=right[0].tobytes())]) == 0
    assert failed([first, replace(second, answer=None)]) == 1
    assert longest_gap_seconds([first, second], 0.0, 1.0) == pytest.approx(0.8)
