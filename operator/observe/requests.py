"""What a pod asks of a node and what a node has, read from their bodies.

A pod asks for what its containers ask for together, or for its largest init container beside the sidecars that were
started before it, whichever is more; of CPU and memory besides for its overhead. A limit without a request is one.
What cannot be read is as if it were not there: the API server would not have taken it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from foresail.domain.accelerator import PodRequest

_QUANTITY: Final = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)(m|k|[MGTPE]|[KMGTPE]i)?")
_SUFFIXES: Final = {"": 1.0, "m": 1e-3, "k": 1e3} | {
    name + binary: base ** (power + 1)
    for power, name in enumerate("KMGTPE")
    for binary, base in (("", 1000.0), ("i", 1024.0))
}
_MEBIBYTE: Final = 1024.0**2
_Amounts = dict[str, float]


def read_request(spec: Mapping[str, Any]) -> PodRequest:
    """What a pod of this spec asks for, rounded up; pods that ask for the same share one."""
    beside: _Amounts = {}
    largest: _Amounts = {}
    for container in spec.get("initContainers") or ():
        wanted = _wanted(container)
        if container.get("restartPolicy") == "Always":  # a sidecar runs on
            beside = _add(beside, wanted)
        largest = _most(largest, beside if container.get("restartPolicy") == "Always" else _add(beside, wanted))
    for container in spec.get("containers") or ():
        beside = _add(beside, _wanted(container))
    of_all = read_amounts((spec.get("resources") or {}).get("requests") or {})  # set for the pod as a whole
    asked = _add(_most(beside, largest) | of_all, read_amounts(spec.get("overhead") or {}))
    cpu, memory = asked.pop("cpu", 0.0), asked.pop("memory", 0.0)
    extended = tuple(sorted((name, round(count)) for name, count in asked.items() if "/" in name))
    return _share(math.ceil(round(cpu * 1000.0, 6)), math.ceil(memory / _MEBIBYTE), extended)


def read_amounts(quantities: Mapping[str, Any]) -> _Amounts:
    """Amounts by name of resource: CPUs, bytes, devices."""
    found = {sys.intern(name): _amount(str(value)) for name, value in quantities.items()}
    return {name: amount for name, amount in found.items() if amount is not None}


def to_cpu_milli(amounts: Mapping[str, float]) -> int | None:
    """Thousandths of a CPU that there are, rounded down; None when it is not told."""
    return None if "cpu" not in amounts else math.floor(round(amounts["cpu"] * 1000.0, 6))


def to_mebibytes(amounts: Mapping[str, float]) -> int | None:
    """Memory that there is, rounded down; None when it is not told."""
    return None if "memory" not in amounts else math.floor(amounts["memory"] / _MEBIBYTE)


@lru_cache(maxsize=1024)
def _share(cpu_milli: int, memory_mebibytes: int, extended: tuple[tuple[str, int], ...]) -> PodRequest:
    return PodRequest(cpu_milli, memory_mebibytes, MappingProxyType(dict(extended)))


def _wanted(container: Mapping[str, Any]) -> _Amounts:
    resources = container.get("resources") or {}
    return read_amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _add(one: Mapping[str, float], other: Mapping[str, float]) -> _Amounts:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in _names((one, other))}


def _most(one: Mapping[str, float], other: Mapping[str, float]) -> _Amounts:
    return {name: max(one.get(name, 0.0), other.get(name, 0.0)) for name in _names((one, other))}


def _names(amounts: Iterable[Mapping[str, float]]) -> Iterable[str]:
    return dict.fromkeys(name for each in amounts for name in each)


@lru_cache(maxsize=4096)
def _amount(text: str) -> float | None:
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    try:
        amount = float(found[1]) * _SUFFIXES[found[2] or ""]
    except ValueError:
        return None
    return amount if math.isfinite(amount) else None
