"""A verdict: what a rule makes of a proposal, with a reason and a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from foresail.domain.decision import Step
from foresail.domain.reason import Reason
from foresail.policies.scaling.case import Case, Counts


class Verdict(NamedTuple):
    """Counts by variant, and why: `because` completes "Held to 7: …".

    `settles`: it is worth a step even where it changes no number, as nothing else decides.
    """

    counts: Counts
    reason: Reason
    because: str
    settles: bool = False


Guard = Callable[[Case, Counts], Verdict | None]
"""A rule over a proposal; None when it has nothing against it."""


def step_of(rule: str, case: Case, before: Counts, verdict: Verdict) -> Step:
    """The trace of a rule that changed the counts."""
    return Step(
        rule=rule,
        before=sum(before),
        after=sum(verdict.counts),
        reason=str(verdict.reason),
        message=f"{_outcome(case, before, verdict.counts)}: {verdict.because}.",
    )


def _outcome(case: Case, before: Counts, after: Counts) -> str:
    """What became of the proposal ("Held to 7"), with the counts by variant where there are several."""
    total, current = sum(after), sum(case.current)
    if before == after:
        verb = "Kept at"
    elif total >= sum(before):
        verb = "Held at" if total <= current else "Raised to"
    else:
        verb = "Held to" if total >= current else "Lowered to"
    return f"{verb} {total}{by_variant(case, after)}"


def by_variant(case: Case, counts: Counts) -> str:
    """The counts by variant in brackets, empty with a single variant."""
    if len(counts) < 2:
        return ""
    return f" ({', '.join(f'{seat.name} {count}' for seat, count in zip(case.seats, counts, strict=True))})"
