from __future__ import annotations

from pathlib import Path

import pytest

from foresail.domain.workload import WorkloadKey
from foresail.forecaster.register import FIRST_RETRY_SECONDS, TOUCH_SECONDS, Entry, Register
from tests.builders import NOW
from tests.unit.forecaster.artifacts import KEY, make_subject

EVERY_SECONDS = 21_600.0


def make_register(folder: Path) -> Register:
    return Register.open(folder / "workloads.json", EVERY_SECONDS)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    known = make_register(tmp_path)
    known.note_all([make_subject()], NOW)
    return known


def due(register: Register, now: float) -> bool:
    return register.next_due(now) is not None


def test_who_is_asked_for_is_due_at_once_and_then_on_schedule(register: Register) -> None:
    assert due(register, NOW)
    register.begin(KEY, NOW)
    register.succeed(KEY, make_subject(), NOW)
    assert not due(register, NOW + EVERY_SECONDS - 1)
    assert due(register, NOW + EVERY_SECONDS)


def test_failures_are_tried_again_later_each_time_and_never_rarer_than_the_schedule(register: Register) -> None:
    now, waits = NOW, []
    for _ in range(10):
        register.begin(KEY, now)
        register.fail(KEY, "no history")
        waits.append(register.entries[KEY].due_at(EVERY_SECONDS) - now)
        now += waits[-1]
    assert waits[:3] == [FIRST_RETRY_SECONDS, 2 * FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS]
    assert waits[-1] == EVERY_SECONDS


def test_everything_is_known_again_after_a_restart(register: Register, tmp_path: Path) -> None:
    register.begin(KEY, NOW)
    register.succeed(KEY, make_subject(), NOW)
    again = make_register(tmp_path)
    assert again.entries == register.entries
    assert not due(again, NOW + 1)


def test_a_training_that_ended_the_forecaster_counts_as_failed(register: Register, tmp_path: Path) -> None:
    register.begin(KEY, NOW)
    again = make_register(tmp_path)
    assert not due(again, NOW + FIRST_RETRY_SECONDS - 1)
    assert due(again, NOW + FIRST_RETRY_SECONDS)


def test_a_training_that_was_ended_on_purpose_is_due_again_at_once(register: Register, tmp_path: Path) -> None:
    register.begin(KEY, NOW)
    register.interrupt(KEY)
    assert due(make_register(tmp_path), NOW)


@pytest.mark.parametrize("changes", [{"step_seconds": 30.0}, {"targets": [{"name": "other"}]}, {"engine": "SGLang"}])
def test_what_is_asked_otherwise_is_trained_anew(register: Register, changes: dict[str, object]) -> None:
    register.begin(KEY, NOW)
    register.succeed(KEY, make_subject(), NOW)
    register.note_all([make_subject(**changes)], NOW)
    assert due(register, NOW)


def test_a_model_looks_a_little_further_than_it_was_trained_to(register: Register) -> None:
    register.begin(KEY, NOW)
    register.succeed(KEY, make_subject(), NOW)
    register.note_all([make_subject(horizon_seconds=300.0)], NOW)
    assert not due(register, NOW)
    register.note_all([make_subject(horizon_seconds=330.0)], NOW)
    register.note_all([make_subject(horizon_seconds=100.0)], NOW)
    entry = register.next_due(NOW)
    assert entry is not None
    assert entry.subject.horizon_seconds == 330.0


def test_whose_artifact_is_gone_is_due_at_once(register: Register) -> None:
    register.begin(KEY, NOW)
    register.succeed(KEY, make_subject(), NOW)
    register.miss({KEY})
    assert not due(register, NOW)
    register.miss(set())
    assert due(register, NOW)


def test_who_waits_longest_comes_first(register: Register) -> None:
    register.begin(KEY, NOW)
    register.succeed(KEY, make_subject(), NOW - EVERY_SECONDS)
    register.note_all([make_subject(name="code")], NOW)
    entry = register.next_due(NOW)
    assert entry is not None
    assert entry.subject.name == "code"  # it has none at all


def test_who_is_not_asked_for_is_forgotten(register: Register, tmp_path: Path) -> None:
    register.note_all([make_subject()], NOW + TOUCH_SECONDS + 1)
    assert register.forget(NOW) == []
    assert register.forget(NOW + TOUCH_SECONDS + 2) == [KEY]
    assert make_register(tmp_path).entries == {}
    register.succeed(KEY, make_subject(), NOW)  # its training was running
    assert register.entries == {}


def test_on_a_full_disk_it_goes_on_in_memory(register: Register, tmp_path: Path) -> None:
    register.path = tmp_path / "nowhere" / "workloads.json"
    register.note_all([make_subject(name="code")], NOW)
    assert len(register.entries) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"workloads": [{"subject": {}}]}', '{"workloads": 3}'])
def test_a_damaged_register_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "workloads.json").write_text(text)
    assert make_register(tmp_path).entries == {}


def make_told(trained_at: float, **changes: object) -> bytes:
    """What another register tells of a workload that it trained then."""
    other = Register(Path("/nowhere"), EVERY_SECONDS)
    subject = make_subject(**changes)
    other.entries[subject.key] = Entry(subject, trained_at, trained_at, subject)
    return other.tell(subject.key)


def test_what_another_register_told_is_known_from_then_on(tmp_path: Path) -> None:
    register = make_register(tmp_path)
    register.adopt(KEY, make_told(NOW), NOW + 60, NOW - 3600)
    assert make_register(tmp_path).entries[KEY] == Entry(make_subject(), NOW, NOW, make_subject())
    assert register.tell(WorkloadKey("prod", "code")) == b""


@pytest.mark.parametrize(("asked_at", "known"), [(NOW - 60, NOW), (NOW + 30, NOW + 30), (NOW + 90, NOW + 60)])
def test_it_was_asked_for_between_then_and_now(tmp_path: Path, asked_at: float, known: float) -> None:
    register = make_register(tmp_path)
    register.adopt(KEY, make_told(NOW), NOW + 60, asked_at)
    assert register.entries[KEY].asked_at == known


def test_of_a_known_workload_only_a_newer_training_is_adopted(register: Register) -> None:
    register.begin(KEY, NOW)
    register.succeed(KEY, make_subject(), NOW)
    register.begin(KEY, NOW + 10)
    register.fail(KEY, "no history")
    asked_at = register.entries[KEY].asked_at

    register.adopt(KEY, make_told(NOW - 60), NOW + 60, NOW + 60)
    assert (register.entries[KEY].trained_at, register.entries[KEY].failures) == (NOW, 1)
    register.adopt(KEY, make_told(NOW + 30), NOW + 60, NOW + 60)
    entry = register.entries[KEY]
    assert (entry.trained_at, entry.failures, entry.failure, entry.asked_at) == (NOW + 30, 0, "", asked_at)


def test_what_is_told_of_another_workload_or_while_it_is_trained_is_left(register: Register, tmp_path: Path) -> None:
    register.adopt(KEY, make_told(NOW, name="code"), NOW + 60, NOW)
    assert set(register.entries) == {KEY}
    assert register.entries[KEY].trained_at is None
    register.begin(KEY, NOW)
    register.adopt(KEY, make_told(NOW), NOW + 60, NOW)
    assert register.entries[KEY].trained_at is None
