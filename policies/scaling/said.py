"""What a decision says, and when two say the same: numbers waver with every forecast and are no news, words are.

One rule for all: a decision keeps its identity, and status its sentence, as long as the same is said. So nothing is
written while nothing changes, and nothing that was written goes on when it is no longer true. Digits within a name
("b200", "chat-v2", "19:00") are no number, and what a hand did is never the same as what it did before.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from foresail.domain.reason import Reason
from foresail.policies.scaling.words import NUMBERS

# Which pods are named for all that cannot be measured is chance, and so are their nodes and the port of a connection.
_CHANCE = (
    (re.compile(r"cannot be measured \([^)]*\)"), "cannot be measured (#)"),
    (re.compile(r'pod="[^"]*"'), 'pod="#"'),
    (re.compile(r"\(they run on [^)]*\)"), "(they run on #)"),
    (re.compile(r":\d+->"), ":#->"),
)
_INSTANT = r"\d{4,}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?Z"
_OF_NODES = r"\d+/\d+(?= nodes )"  # as the scheduler counts them
_DURATION = r"(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:[nmuµ]?s)(?![\w/@-])"  # as programs in Go write it into an error
_FREE = r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?(?![\w/@-]|[.,:]\w)"
_COUNT = rf"\b(?:{'|'.join(NUMBERS)})(?= (?:replica|GPU))"
_NUMBER = re.compile(rf"{_INSTANT}|(?<![\w./:@-])(?:{_OF_NODES}|{_DURATION}|{_FREE})|{_COUNT}")
# Their sentences tell what a hand did; nothing in them wavers.
_OF_HANDS = frozenset({Reason.EDITED_BY_HAND, Reason.NO_CONFLICT})
# Words that agree with a number waver with it.
_AGREEING = (("replicas", "replica"), ("GPUs", "GPU"), (" are ", " is "), (" have ", " has "))


def gist(sentence: str) -> str:
    """A sentence without what wavers, numbers and instants: two of the same gist say the same."""
    for pattern, stand_in in _CHANCE:
        sentence = pattern.sub(stand_in, sentence)
    sentence = _NUMBER.sub("#", sentence)
    for plural, singular in _AGREEING:
        sentence = sentence.replace(plural, singular)
    return sentence


def essence(reason: str, sentence: str) -> str:
    """What is compared of the sentence beside a reason: its gist, and every word of what a hand did."""
    return sentence if reason in _OF_HANDS else gist(sentence)


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
