"""The register: which workloads were asked for, and how their trainings went; one small JSON file."""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from foresail.domain.workload import WorkloadKey
from foresail.forecaster.questions import Subject
from foresail.forecasting.demand.rehearsal import FURTHER

FIRST_RETRY_SECONDS: Final = 300.0  # after a failure; twice as long after each further one
MOST_WORKLOADS: Final = 5000  # more are not trained: anybody may ask
TOUCH_SECONDS: Final = 3600.0  # that somebody asked is written down as often

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Entry:
    """A workload.

    Args:
        subject: What was asked of it last, with the longest horizon.
        asked_at: When, about; seconds since the epoch, as all instants.
        trained_at: When it was trained, None: never.
        trained_for: As what it was trained.
        tried_at: When a training of it began last.
        failures: Trainings in a row that failed.
        failure: Why the last one did.
    """

    subject: Subject
    asked_at: float
    trained_at: float | None = None
    trained_for: Subject | None = None
    tried_at: float | None = None
    failures: int = 0
    failure: str = ""

    def due_at(self, train_every_seconds: float) -> float:
        """When it is to be trained next."""
        if self.failures:
            wait = min(FIRST_RETRY_SECONDS * 2.0 ** min(self.failures - 1, 16), train_every_seconds)
            return (self.tried_at or 0.0) + wait
        if self.trained_at is None or self.trained_for is None or not fits(self.trained_for, self.subject):
            return 0.0
        return self.trained_at + train_every_seconds


@dataclass(slots=True)
class Register:
    """All of them, and which of them is trained now."""

    path: Path
    train_every_seconds: float
    entries: dict[WorkloadKey, Entry] = field(default_factory=dict)
    training: WorkloadKey | None = None

    @classmethod
    def open(cls, path: Path, train_every_seconds: float) -> Register:
        """The register that is there; one that cannot be read is begun anew, since it fills itself."""
        register = cls(path, train_every_seconds)
        try:
            for entry in json.loads(path.read_text(encoding="utf-8"))["workloads"]:
                read = _read(entry)
                register.entries[read.subject.key] = read
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s cannot be read and is begun anew: %s", path, " ".join(str(error).split()))
            register.entries.clear()
        return register

    def note_all(self, subjects: Iterable[Subject], now: float) -> None:
        """Somebody asked for these workloads."""
        changed = [self._note(subject, now) for subject in subjects]
        if any(changed):
            self.save()

    def _note(self, subject: Subject, now: float) -> bool:
        entry = self.entries.get(subject.key)
        if entry is None:
            if len(self.entries) >= MOST_WORKLOADS:
                return False
            self.entries[subject.key] = Entry(subject, now)
        elif subject.model_copy(update={"horizon_seconds": entry.subject.horizon_seconds}) != entry.subject:
            entry.subject, entry.asked_at, entry.failures, entry.failure = subject, now, 0, ""
        elif subject.horizon_seconds > entry.subject.horizon_seconds:
            entry.subject, entry.asked_at = subject, now
        elif now - entry.asked_at > TOUCH_SECONDS:
            entry.asked_at = now
        else:
            return False
        return True

    def next_due(self, now: float) -> Entry | None:
        """Who is to be trained now: who has waited longest for it."""
        due = sorted(
            (entry.due_at(self.train_every_seconds), entry.asked_at, key) for key, entry in self.entries.items()
        )
        return self.entries[due[0][2]] if due and due[0][0] <= now else None

    def begin(self, key: WorkloadKey, now: float) -> None:
        """A training begins. Until it is told how it ended it counts as failed: it may end this process, too."""
        entry, self.training = self.entries[key], key
        entry.tried_at, entry.failures, entry.failure = now, entry.failures + 1, "the forecaster ended meanwhile"
        self.save()

    def succeed(self, key: WorkloadKey, subject: Subject, now: float) -> None:
        """The training ended well."""
        self.training = None
        if key in self.entries:
            entry = self.entries[key]
            entry.trained_at, entry.trained_for, entry.failures, entry.failure = now, subject, 0, ""
            self.save()

    def fail(self, key: WorkloadKey, why: str) -> None:
        """The training failed."""
        self.training = None
        if key in self.entries:
            self.entries[key].failure = why
            self.save()

    def interrupt(self, key: WorkloadKey) -> None:
        """The training was ended because the forecaster ends, which is nobody's failure."""
        self.training = None
        if key in self.entries:
            entry = self.entries[key]
            entry.failures, entry.failure = max(entry.failures - 1, 0), ""
            self.save()

    def miss(self, there: Container[WorkloadKey]) -> None:
        """Whose artifact is not there any more, was refused or removed, is due again."""
        for key, entry in self.entries.items():
            if key not in there:
                entry.trained_at, entry.trained_for = None, None

    def tell(self, key: WorkloadKey) -> bytes:
        """What is known of one workload, for another register to adopt; empty: nothing."""
        entry = self.entries.get(key)
        return b"" if entry is None else json.dumps(_write(entry), indent=1).encode()

    def adopt(self, key: WorkloadKey, told: bytes, now: float, asked_at: float) -> None:
        """Know what another register told of a workload, whose training was taken in.

        Args:
            key: Whose.
            told: By `tell`; what cannot be understood is left, and the workload is trained anew when it is asked for.
            now: Nothing that was told is later.
            asked_at: At the earliest, so that there is time to be asked again.
        """
        try:
            entry = _read(json.loads(told))
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("what was known of %s cannot be read: %s", key, " ".join(str(error).split()))
            return
        known = self.entries.get(key)
        trained_at = entry.trained_at
        if entry.subject.key != key or trained_at is None or not trained_at <= now or key == self.training:
            return
        if known is None:
            self.entries[key] = Entry(
                entry.subject, min(max(entry.asked_at, asked_at), now), trained_at, entry.trained_for
            )
        elif (known.trained_at or 0.0) < trained_at:
            known.trained_at, known.trained_for = trained_at, entry.trained_for
            known.failures, known.failure = 0, ""
        self.save()

    def forget(self, before: float) -> list[WorkloadKey]:
        """Strike off who was not asked for since `before`."""
        gone = [key for key, entry in self.entries.items() if entry.asked_at < before]
        for key in gone:
            del self.entries[key]
        if gone:
            self.save()
        return gone

    def save(self) -> None:
        """Write it down, whole or not at all; on a full disk it goes on in memory."""
        text = json.dumps({"workloads": [_write(entry) for entry in self.entries.values()]}, indent=1)
        fresh = self.path.with_suffix(".new")
        try:
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(self.path)
        except OSError as error:
            logger.warning("%s cannot be written: %s", self.path, error)


def fits(trained_for: Subject, subject: Subject) -> bool:
    """Whether a model that was trained for the one serves the other."""
    same = subject.model_copy(update={"horizon_seconds": trained_for.horizon_seconds})
    return same == trained_for and subject.horizon_seconds <= FURTHER * trained_for.horizon_seconds


def _write(entry: Entry) -> dict[str, Any]:
    trained_for = None if entry.trained_for is None else entry.trained_for.model_dump()
    return {
        "subject": entry.subject.model_dump(),
        "asked_at": entry.asked_at,
        "trained_at": entry.trained_at,
        "trained_for": trained_for,
        "tried_at": entry.tried_at,
        "failures": entry.failures,
        "failure": entry.failure,
    }


def _read(content: dict[str, Any]) -> Entry:
    trained_for = content["trained_for"]
    return Entry(
        Subject.model_validate(content["subject"]),
        float(content["asked_at"]),
        None if content["trained_at"] is None else float(content["trained_at"]),
        None if trained_for is None else Subject.model_validate(trained_for),
        None if content["tried_at"] is None else float(content["tried_at"]),
        int(content["failures"]),
        str(content["failure"]),
    )
