"""What of an HTTPRoute is to be changed so that its Services get their shares: a JSON patch of weights, and no more.

A rule is divided among those of its backendRefs that name one of our Services. Without others they become parts of 100.
Beside others the sum of ours stays as it is, so that the others keep their share of all requests, untouched. A weight
is news when it moves by two points of what ours get (and by most of a whole weight, where the sum is small: else
rounding would waver), or when a Service begins or ceases to serve. All zeros are never written: a rule of which nothing
of ours is ready stays as it is, and so does one whose weights somebody has set to zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from foresail.operator.apportion import apportion

WHOLE: Final = 100
MATERIAL_SHARE: Final = 0.02
MATERIAL_WEIGHT: Final = 0.75  # beyond the half by which rounding is off, so that nothing goes to and fro
ROUNDING: Final = 1e-9


class Plan(NamedTuple):
    """What to send and what changes, none when nothing moved; and what the route lacks, empty when nothing."""

    patch: tuple[Mapping[str, Any], ...]
    changes: tuple[str, ...]
    problem: str


class _Ref(NamedTuple):
    path: str
    service: str
    weight: int


class _Rule(NamedTuple):
    """One rule: our backendRefs in it, and whether they are all that it has."""

    ours: tuple[_Ref, ...]
    alone: bool


def plan_weights(route: Mapping[str, Any], shares: Mapping[str, float], rule_name: str | None) -> Plan:
    """The change to a route.

    Args:
        route: As the API server has it.
        shares: Of requests, by Service; Services that are not named count as somebody else's.
        rule_name: The only rule to be looked at; None: all of them.
    """
    listed = enumerate((route.get("spec") or {}).get("rules") or [])
    chosen = [(i, rule) for i, rule in listed if rule_name is None or rule.get("name") == rule_name]
    if not chosen:
        return Plan((), (), f"has no rule{'' if rule_name is None else f' named {rule_name}'}")
    namespace = route["metadata"].get("namespace")
    rules = [_read_rule(f"/spec/rules/{i}", rule, namespace, shares) for i, rule in chosen]
    moved = [(ref, weight) for rule in rules for ref, weight in _moved(rule, shares)]
    return Plan(
        _patch(route["metadata"], moved),
        tuple(f"{ref.service} {ref.weight} → {weight}" for ref, weight in moved),
        _problem(rules, shares),
    )


def _read_rule(path: str, rule: Mapping[str, Any], namespace: str | None, shares: Mapping[str, float]) -> _Rule:
    refs = rule.get("backendRefs") or []
    ours = tuple(
        _Ref(f"{path}/backendRefs/{j}", ref["name"], ref.get("weight", 1))
        for j, ref in enumerate(refs)
        if ref["name"] in shares and _is_service(ref, namespace)
    )
    return _Rule(ours, alone=len(ours) == len(refs))


def _is_service(ref: Mapping[str, Any], namespace: str | None) -> bool:
    kind = (ref.get("group") or "", ref.get("kind") or "Service")
    return kind == ("", "Service") and (ref.get("namespace") or namespace) == namespace


def _moved(rule: _Rule, shares: Mapping[str, float]) -> Sequence[tuple[_Ref, int]]:
    """The weights of a rule that are to be others; none of them while none has moved materially."""
    times = Counter(ref.service for ref in rule.ours)  # a Service may be there by several ports
    wanted = [shares[ref.service] / times[ref.service] for ref in rule.ours]
    now, asked = sum(ref.weight for ref in rule.ours), sum(wanted)
    if now <= 0 or asked <= 0:
        return ()
    total = WHOLE if rule.alone else now
    least = max(MATERIAL_SHARE * total, MATERIAL_WEIGHT) - ROUNDING
    whole = apportion(wanted, total)
    is_news = any(
        abs(share / asked - ref.weight / now) * total >= least or _turned(ref.weight, part, share)
        for ref, share, part in zip(rule.ours, wanted, whole, strict=True)
    )
    return [(ref, part) for ref, part in zip(rule.ours, whole, strict=True) if is_news and part != ref.weight]


def _turned(weight: int, part: int, share: float) -> bool:
    """Whether a Service begins or ceases to get anything; a share that is merely rounded to nothing does not cease."""
    return (weight == 0 and part > 0) or (weight > 0 and share == 0.0)


def _patch(metadata: Mapping[str, Any], moved: Iterable[tuple[_Ref, int]]) -> tuple[Mapping[str, Any], ...]:
    """Weights, on the condition that the route is as it was read: with another resourceVersion it is a conflict."""
    weights = [
        operation
        for ref, weight in moved
        for operation in (
            {"op": "test", "path": f"{ref.path}/name", "value": ref.service},
            {"op": "add", "path": f"{ref.path}/weight", "value": weight},
        )
    ]
    as_read = {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
    return (as_read, *weights) if weights else ()


def _problem(rules: Iterable[_Rule], shares: Mapping[str, float]) -> str:
    rules = list(rules)
    named = {ref.service for rule in rules for ref in rule.ours}
    missing = [service for service in shares if service not in named]
    if missing:
        return f"has no backendRef of kind Service named {' or '.join(missing)}"
    if any(rule.ours and rule.alone and not any(ref.weight for ref in rule.ours) for rule in rules):
        return "has a rule whose weights are all 0"
    return ""
