"""A measurement that is a program of its own: its report as tables with verdicts, or as JSON with the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks.machine import describe_machine
from benchmarks.tables import make_console, verdict_table
from benchmarks.verdicts import Verdict


def tell(name: str, report: Mapping[str, Any], table: Table, verdicts: Sequence[Verdict], *, as_json: bool) -> int:
    """Print it; 1 where a figure misses what is asked of it."""
    if as_json:
        print(json.dumps({**report, "machine": describe_machine(), "verdicts": verdicts}))
    else:
        for one in (table, verdict_table(f"{name}: asked and measured", verdicts)):
            make_console().print(one)
    return int(not all(verdict["met"] for verdict in verdicts))
