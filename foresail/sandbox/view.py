"""What is shown of one workload: the operator's own words and numbers, read from its API."""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def fetch(url: str) -> dict[str, Any] | None:
    """JSON from an address, None while it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            document: dict[str, Any] = json.load(answer)
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return document


@dataclass(frozen=True, slots=True)
class View:
    """One workload as it is shown; None where unknown."""

    name: str
    decision_id: str
    time: str
    reason: str
    message: str
    current: int | None
    ready: int | None
    desired: int | None
    demand_rps: float | None
    median_rps: float | None
    q95_rps: float | None
    required_now: float | None
    required_q95: float | None
    lead_time_seconds: float | None
    usd_per_hour: float | None
    attainment: float | None


def total(variants: list[Mapping[str, Any]], field: str) -> int | None:
    """Sum over the variants whose number is known, None when none is."""
    known = [variant[field] for variant in variants if variant[field] is not None]
    return sum(known) if known else None


def to_view(document: Mapping[str, Any]) -> View:
    """Read one entry of `/api/v1/decisions`."""
    last, outlook, observed = document["lastDecision"], document["outlook"], document["observed"] or {}
    attainment = observed.get("attainment")
    return View(
        name=f"{document['namespace']}/{document['name']}",
        decision_id=last["id"],
        time=last["time"],
        reason=last["reason"],
        message=last["message"],
        current=total(document["variants"], "current"),
        ready=total(document["variants"], "ready"),
        desired=total(document["variants"], "desired"),
        demand_rps=outlook["demand_now_rps"],
        median_rps=outlook["demand_median_rps"],
        q95_rps=outlook["demand_q95_rps"],
        required_now=outlook["required_now"],
        required_q95=outlook["required_q95"],
        lead_time_seconds=outlook["lead_time_seconds"],
        usd_per_hour=outlook["usd_per_hour"],
        attainment=attainment if isinstance(attainment, int | float) else None,
    )


def read_views(operator_url: str) -> list[View]:
    """All workloads of an operator, empty while it does not answer."""
    answer = fetch(f"{operator_url}/api/v1/decisions")
    return [to_view(document) for document in answer["decisions"]] if answer else []


def number(value: float | None, form: str = ".1f") -> str:
    """A number for people; a dash where it is unknown."""
    return "-" if value is None else format(value, form)
