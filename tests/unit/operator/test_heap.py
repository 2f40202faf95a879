from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from foresail.operator.heap import settle_heap

PROBE = """
import re, sys
from pathlib import Path
from foresail.operator.heap import settle_heap
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
if sys.argv[1] == "settled":
    assert settle_heap()
kept, before = [], resident()
for _ in range(6):
    blocks = [bytearray(100_000) for _ in range(400)]
    kept.append([bytes(700) for _ in range(2000)])
    del blocks
print(resident() - before)
"""

GARBAGE = """
import gc, weakref
from foresail.operator.heap import spare_modules
class Node: pass
def knot():
    one, other = Node(), Node()
    one.other, other.one = other, one
    return weakref.ref(one)
held = []
before = knot()
spare_modules()
assert before() is None and gc.get_freeze_count() > 1000 and len(gc.get_objects()) < gc.get_freeze_count()
after = knot()
while after() is not None and len(held) < 200_000:
    held.append([])
print(after() is None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_large_blocks_are_given_back() -> None:
    run = [sys.executable, "-c", PROBE, "settled"]
    grown = float(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    assert grown < 30.0  # 8 MB are kept, 40 MB come and go


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not settle_heap()


def test_modules_are_left_out_and_later_garbage_still_goes_by_itself() -> None:
    run = [sys.executable, "-c", GARBAGE]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "True\n"
