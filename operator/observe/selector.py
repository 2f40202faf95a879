"""Label selectors: an object's `spec.selector`, or the text that `/scale` gives (`app=chat,tier in (a,b),!old`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Requirement(NamedTuple):
    """One condition on a label; `operator` is In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it; NotIn is met by labels without the key, as in Kubernetes."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case _:
                return value is None


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that must all be met, never none: an empty selector would take in every pod of a namespace."""

    requirements: tuple[Requirement, ...]

    def __post_init__(self) -> None:
        if not self.requirements:
            raise ValueError("a selector needs at least one requirement")

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet every condition."""
        return all(requirement.matches(labels) for requirement in self.requirements)


_TERM = re.compile(
    r"(?P<not>!?)(?P<key>[\w./-]+)(?:\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\)|\s*(?P<sign>==|!=|=)\s*(?P<value>[\w.-]*))?\s*(?:,\s*|$)"
)


def parse_selector(text: str) -> Selector | None:
    """The selector that `/scale` gives as text; None when it is empty or not understood."""
    text = text.strip()
    requirements, position = [], 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            return None
        requirements.append(_read_term(term))
        position = term.end()
    return Selector(tuple(requirements)) if requirements else None


def read_selector(body: Mapping[str, Any] | None) -> Selector | None:
    """The selector of a Deployment or StatefulSet; None when it is empty."""
    body = body or {}
    equal = [Requirement(key, "In", frozenset({value})) for key, value in (body.get("matchLabels") or {}).items()]
    others = [
        Requirement(entry["key"], entry["operator"], frozenset(entry.get("values") or ()))
        for entry in body.get("matchExpressions") or ()
    ]
    return Selector((*equal, *others)) if equal or others else None


def _read_term(term: re.Match[str]) -> Requirement:
    key = term["key"]
    if term["set"]:
        values = frozenset(value.strip() for value in term["values"].split(","))
        return Requirement(key, "In" if term["set"] == "in" else "NotIn", values)
    if term["sign"]:
        return Requirement(key, "NotIn" if term["sign"] == "!=" else "In", frozenset({term["value"]}))
    return Requirement(key, "DoesNotExist" if term["not"] else "Exists")
