"""What a decision says, and when two say the same: numbers waver with every forecast and are no news, words are.

One rule for all: a decision keeps its identity, and status its sentence, as long as the same is said. So nothing is
written while nothing changes, and nothing that was written goes on when it is no longer true.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from foresail.policies.scaling.words import NUMBERS

# Which pods are named for all that cannot be measured is chance.
_PODS = (
    (re.compile(r"cannot be measured \([^)]*\)"), "cannot be measured (#)"),
    (re.compile(r'pod="[^"]*"'), 'pod="#"'),
)
_INSTANT = r"\d{4,}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?Z"
_NUMBER = re.compile(rf"{_INSTANT}|\d+(?:[.,]\d+)*(?:e[+-]?\d+)?|\b(?:{'|'.join(NUMBERS)})(?= (?:replica|GPU))")
# Words that agree with a number waver with it.
_AGREEING = (("replicas", "replica"), ("GPUs", "GPU"), (" are ", " is "), (" have ", " has "))


def gist(sentence: str) -> str:
    """A sentence without what wavers, numbers and instants: two of the same gist say the same."""
    for pattern, stand_in in _PODS:
        sentence = pattern.sub(stand_in, sentence)
    sentence = _NUMBER.sub("#", sentence)
    for plural, singular in _AGREEING:
        sentence = sentence.replace(plural, singular)
    return sentence


class Said(NamedTuple):
    """What a decision says; two that say the same are one decision.

    Args:
        generation: Of the spec that it rests on: its mode, its bounds and whatever else a person wrote.
        before: Replicas, total.
        after: Replicas decided, total.
        desired: Of each variant, None without a target.
        reason: Of the decision.
        gist: Of its sentence, which tells the steps that matter. A rule in between that moved a number which another
            then moved again comes and goes with the forecast's numbers, and is no news.
    """

    generation: int
    before: int
    after: int
    desired: tuple[tuple[str, int | None], ...]
    reason: str
    gist: str
