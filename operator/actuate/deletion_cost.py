"""Before a step down: mark the least-loaded pods, so that these go and the streams on the others live on.

A ReplicaSet lets go first of pods without a node, then of those not ready, then by
`controller.kubernetes.io/pod-deletion-cost`, lowest first. So only as many ready pods are marked as the step exceeds
the replicas that are not ready. A mark is taken back when its pod is no longer chosen: loads change.

References:
    Kubernetes documentation, ReplicaSet, "Pod deletion cost".
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from foresail.domain.decision import VariantDecision
from foresail.domain.errors import ActuationError
from foresail.domain.snapshot import VariantObservation
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.kube import MERGE_PATCH, NotFoundError

ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
MARK = "-100"  # any negative number: unmarked pods cost 0

logger = logging.getLogger(__name__)


def pods_to_let_go(decision: VariantDecision, observation: VariantObservation) -> tuple[str, ...]:
    """The ready pods that a step down should take, least loaded first; empty when there is no step down or no load."""
    replicas = observation.replicas
    if decision.desired is None or replicas is None:
        return ()
    not_ready = replicas.starting + replicas.pending
    count = replicas.current - decision.desired - not_ready
    by_load = sorted(observation.load_by_pod, key=lambda pod: (observation.load_by_pod[pod], pod))
    return tuple(by_load[: max(count, 0)])


class DeletionCost:
    """The marks that this process has set, by (namespace, variant's target)."""

    def __init__(self, writer: FencedWriter) -> None:
        self._writer = writer
        self._marked: dict[tuple[str, str], frozenset[str]] = {}

    async def prefer(self, namespace: str, target_uid: str, pods: Iterable[str]) -> None:
        """Mark exactly these pods of a target. A pod that is gone is fine; what is refused is logged, not raised."""
        key = (namespace, target_uid)
        chosen, marked = frozenset(pods), self._marked.get(key, frozenset())
        for pod in sorted(marked - chosen):
            await self._annotate(namespace, pod, None)
        done = [pod for pod in sorted(chosen) if pod in marked or await self._annotate(namespace, pod, MARK)]
        self._marked[key] = frozenset(done)

    def forget(self, target_uids: frozenset[str]) -> None:
        """Drop what is remembered of every target but these."""
        self._marked = {key: pods for key, pods in self._marked.items() if key[1] in target_uids}

    async def _annotate(self, namespace: str, pod: str, cost: str | None) -> bool:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
        try:
            await self._writer.write(
                "PATCH", path, {"metadata": {"annotations": {ANNOTATION: cost}}}, content_type=MERGE_PATCH
            )
        except NotFoundError:
            return False
        except ActuationError as error:
            logger.warning("deletion cost of pod %s/%s not set: %s", namespace, pod, error)
            return False
        return True
