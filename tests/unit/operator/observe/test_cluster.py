"""Replicas and rivals: what the cluster alone tells."""

from __future__ import annotations

from typing import Any

from foresail.domain.snapshot import FIELD_MANAGER, Replicas
from foresail.domain.workload import Mode
from foresail.operator.observe.records import ForeignWrite, TargetKey, read_pod, read_rival
from foresail.operator.observe.replicas import STARTUPS_KEPT, StartupLog, VariantPods, count_replicas, sort_pods
from foresail.operator.observe.rivals import by_target, name_rivals
from tests.builders import NOW, make_accelerator, make_observation
from tests.unit.operator.observe.bodies import make_pod_body, make_rival_body, to_time
from tests.unit.policies.cases import make_case

TARGET = TargetKey("apps", "Deployment", "prod", "chat-h100")
H100 = {"h100": make_accelerator("h100")}


def pods(*bodies: dict[str, Any]) -> VariantPods:
    return sort_pods(read_pod(body) for body in bodies)


def test_replicas_are_told_apart_by_phase() -> None:
    failed = make_pod_body("evicted", ready_after=None)
    failed["status"]["phase"] = "Failed"
    counts = count_replicas(
        4,
        pods(
            make_pod_body("ready"),
            make_pod_body("starting", ready_after=None, created=NOW - 90),
            make_pod_body("pending", ready_after=None, node="", created=NOW - 3600),
            make_pod_body("draining", deletionTimestamp="2026-11-23T12:00:00Z"),
            failed,
        ),
        NOW,
    )
    assert counts == Replicas(
        current=4,
        ready=1,
        starting=1,
        pending=1,
        draining=1,
        pending_seconds=(3600.0,),
        starting_seconds=(89.0,),  # since it was bound to a node
        pending_message="0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    )


DAYS = 5 * 86_400.0


def loaded(name: str, *, age: float = DAYS, ready_ago: float | None = None, unready_ago: float = 0.0) -> dict[str, Any]:
    """A pod that ran ten seconds after its creation; it is ready since `ready_ago`, or is not since `unready_ago`."""
    body = make_pod_body(name, created=NOW - age, ready_after=None if ready_ago is None else age - ready_ago)
    body["status"]["conditions"][1]["lastTransitionTime"] = to_time(NOW - (ready_ago or unready_ago))
    body["status"]["containerStatuses"] = [
        {"restartCount": 0, "state": {"running": {"startedAt": to_time(NOW - age + 10)}}}
    ]
    return body


def test_a_replica_that_misses_a_probe_has_been_away_since_then() -> None:
    up = [loaded(f"up-{index}", ready_ago=DAYS - 60) for index in range(4)]
    replicas = count_replicas(5, pods(*up, loaded("missed", unready_ago=15.0)), NOW)
    assert (replicas.ready, replicas.starting, replicas.starting_seconds) == (4, 1, (15.0,))
    assert make_case(make_observation(replicas=replicas)).seats[0].stuck == 0


def test_a_replica_that_stays_away_is_stuck_beside_one_that_has_just_come() -> None:
    away, new = loaded("away", unready_ago=3600.0), loaded("new", age=20.0, unready_ago=20.0)
    replicas = count_replicas(2, pods(away, new), NOW)
    assert replicas.starting_seconds == (3600.0, 19.0)  # the new one since it was bound to a node
    assert make_case(make_observation(replicas=replicas)).seats[0].stuck == 1


def test_without_pods_nothing_is_ready() -> None:
    assert count_replicas(3, VariantPods(), NOW) == Replicas(current=3, ready=0)


def test_start_up_times_are_noted_once_in_the_order_of_becoming_ready() -> None:
    log = StartupLog()
    slow, quick = make_pod_body("slow", ready_after=150.0), make_pod_body("quick", ready_after=60.0)
    assert log.note(pods(slow, quick)) == (60.0, 150.0)
    later = make_pod_body("later", created=NOW - 100, ready_after=90.0)
    assert log.note(pods(slow, quick, later, make_pod_body("loading", ready_after=None))) == (60.0, 150.0, 90.0)
    assert log.note(pods(later)) == (60.0, 150.0, 90.0)
    for index in range(STARTUPS_KEPT):
        times = log.note(pods(later, make_pod_body(f"more-{index}", ready_after=10.0 + index)))
    assert len(times) == STARTUPS_KEPT
    assert times[-1] == 10.0 + STARTUPS_KEPT - 1


def test_a_pod_whose_container_restarted_does_not_tell_a_start_up_time() -> None:
    body = make_pod_body("restarted", ready_after=2000.0)
    body["status"]["containerStatuses"] = [{"restartCount": 2}]
    assert StartupLog().note(pods(body)) == ()


def test_readiness_that_was_lost_in_between_is_no_start_up_time() -> None:
    steady = [loaded("a", ready_ago=DAYS - 60), loaded("b", ready_ago=DAYS - 90)]
    assert StartupLog().note(pods(*steady, loaded("missed", ready_ago=3600.0))) == (60.0, 90.0)
    assert StartupLog().note(pods(loaded("missed", ready_ago=3600.0))) == ()


def test_half_an_hour_is_a_start_up_time_unless_siblings_took_a_minute() -> None:
    slow, quick = (loaded(name, age=4000.0, ready_ago=4000.0 - took) for name, took in (("s", 1800.0), ("q", 60.0)))
    assert StartupLog().note(pods(slow)) == (1800.0,)
    assert StartupLog().note(pods(slow, quick)) == (60.0,)


def test_a_start_that_was_watched_counts_however_slow_it_is() -> None:
    log, up = StartupLog(), loaded("up", ready_ago=DAYS - 60)
    log.note(pods(up, loaded("new", age=5000.0, unready_ago=4995.0)))
    assert log.note(pods(up, loaded("new", age=5000.0, ready_ago=10.0))) == (60.0, 4990.0)


def test_a_pod_that_had_fallen_back_when_it_was_first_seen_does_not_tell_a_start_up_time() -> None:
    log = StartupLog()
    assert log.note(pods(loaded("missed", unready_ago=15.0))) == ()
    assert log.note(pods(loaded("missed", ready_ago=1.0))) == ()


def test_another_autoscaler_on_the_target_is_a_rival_in_every_mode() -> None:
    record = read_rival(make_rival_body())
    assert record is not None
    for mode in Mode:
        (rival,) = name_rivals(TARGET, by_target([record])[TARGET], None, mode)
        assert (rival.kind, rival.name) == ("HorizontalPodAutoscaler", "theirs")
        assert "Deployment/chat-h100" in rival.message


def test_a_hand_is_a_rival_in_auto_only_and_not_beside_an_autoscaler() -> None:
    write = ForeignWrite("kubectl-scale", NOW - 10, 5, 3)
    (rival,) = name_rivals(TARGET, (), write, Mode.AUTO)
    assert (rival.kind, rival.name, rival.time) == (FIELD_MANAGER, "kubectl-scale", NOW - 10)
    assert rival.message == "kubectl-scale changed the replicas of Deployment/chat-h100 from 5 to 3"
    assert name_rivals(TARGET, (), write, Mode.ADVISORY) == ()
    record = read_rival(make_rival_body())
    assert record is not None
    kinds = [rival.kind for rival in name_rivals(TARGET, [record], write, Mode.AUTO)]
    assert kinds == ["HorizontalPodAutoscaler"]
