"""A row of the table: what goes wrong, and what is to be seen of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.failures.scene import Scene

Act = Callable[["Scene"], None]


class Is(NamedTuple):
    """A condition in the object's status."""

    type: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Series:
    """A series of the operator's `/metrics`. A counter is counted from the beginning of the row.

    Args:
        name: Without the prefix `foresail_`.
        labels: Some of its labels.
        own: It is the object's: its namespace and name are labels too.
        equals: Its value.
        at_least: Or its least value.
        at_most: And its largest.
        gone: Or there is no such series.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    own: bool = False
    equals: float | None = None
    at_least: float = 1.0
    at_most: float = float("inf")
    gone: bool = False

    @property
    def counts(self) -> bool:
        return self.name.endswith("_total")

    def holds(self, value: float | None) -> bool:
        if self.gone:
            return value is None
        if self.equals is not None:
            return value == self.equals
        return value is not None and self.at_least <= value <= self.at_most


@dataclass(frozen=True, slots=True)
class Stage:
    """The object and its target before anything goes wrong: more is asked of it than its most replicas sustain.

    So a right reading of the demand never lowers it, and a reading of zero does so at once: nothing is stabilized.
    """

    replicas: int = 3
    least: int = 1
    most: int = 3
    rps: float = 20.0
    window_seconds: int = 0
    startup: str = "0s"
    has_target: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One failure.

    Args:
        name: What goes wrong.
        begin: Makes it go wrong.
        end: Mends it.
        conditions: Seen while it is wrong.
        event: Reason of a new Event about the object, None: no new warning.
        metric: Seen while it is wrong.
        replicas: Of the target, while it is wrong; None: there is no target.
        healed: Conditions seen after it was mended.
        stage: What there was before.
        level: What is not the real thing, empty when everything is.
        seconds: The longest that each of the two changes may take to be seen.
    """

    name: str
    begin: Act
    conditions: tuple[Is, ...]
    event: str | None
    metric: Series
    replicas: int | None = 3
    end: Act = lambda _: None
    healed: tuple[Is, ...] = (Is("Ready", "True", "Deciding"),)
    stage: Stage = Stage()
    level: str = ""
    seconds: float = 30.0
