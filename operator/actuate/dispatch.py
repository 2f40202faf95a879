"""Carry out decisions: each due variant's replicas, up before down, least-loaded pods marked before a step down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from foresail.domain.decision import Decision, VariantDecision
from foresail.domain.errors import ActuationError
from foresail.domain.snapshot import WorkloadObservation
from foresail.domain.workload import WorkloadKey
from foresail.operator.actuate.deletion_cost import DeletionCost, pods_to_let_go
from foresail.operator.actuate.discovery import Discovery
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.scale import Outcome, OutcomeKind, is_due, scale

AT_ONCE = 8  # workloads; within one the order matters

logger = logging.getLogger(__name__)


class Actuator:
    """Writes what was decided and returns what came of it.

    Args:
        writer: The door for writes.
        discovery: Finds the paths of targets.
        expect: Told the UID of a target and its replicas before they are written.
    """

    def __init__(self, writer: FencedWriter, discovery: Discovery, *, expect: Callable[[str, int], None]) -> None:
        self._writer = writer
        self._discovery = discovery
        self._expect = expect
        self._deletion_cost = DeletionCost(writer)

    async def act(
        self, decisions: Mapping[WorkloadKey, Decision], observations: Mapping[WorkloadKey, WorkloadObservation]
    ) -> dict[WorkloadKey, tuple[Outcome, ...]]:
        """Carry out all decisions that are due; keys without a write are absent."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def gated(decision: Decision) -> tuple[Outcome, ...]:
            async with gate:
                return await self._act_on(decision, observations[decision.key])

        due = [decision for decision in decisions.values() if any(map(is_due, decision.variants))]
        outcomes = await asyncio.gather(*map(gated, due))
        seen = [variant.target_uid for entry in observations.values() for variant in entry.variants]
        self._deletion_cost.forget(frozenset(seen))
        return {decision.key: outcome for decision, outcome in zip(due, outcomes, strict=True)}

    async def _act_on(self, decision: Decision, observation: WorkloadObservation) -> tuple[Outcome, ...]:
        up_first = sorted(filter(is_due, decision.variants), key=_change, reverse=True)
        outcomes = [await self._set_replicas(decision.key, variant, observation) for variant in up_first]
        for outcome in outcomes:
            level = logging.INFO if outcome.kind is OutcomeKind.WRITTEN else logging.WARNING
            logger.log(level, "%s/%s: %s", decision.key, outcome.variant, outcome.message)
        return tuple(outcomes)

    async def _set_replicas(
        self, key: WorkloadKey, variant: VariantDecision, observation: WorkloadObservation
    ) -> Outcome:
        target = next(spec.target for spec in observation.workload.variants if spec.name == variant.name)
        seen = next(entry for entry in observation.variants if entry.name == variant.name)
        try:
            path = await self._discovery.scale_path(target.api_version, target.kind, key.namespace, target.name)
        except ActuationError as error:
            return Outcome(variant.name, variant.desired or 0, OutcomeKind.REFUSED, str(error))
        if _change(variant) < 0 and target.kind != "StatefulSet":  # which lets go of the highest ordinals, always
            await self._deletion_cost.prefer(key.namespace, variant.target_uid, pods_to_let_go(variant, seen))
        self._expect(variant.target_uid, variant.desired or 0)
        return await scale(self._writer, path, variant)


def _change(variant: VariantDecision) -> int:
    return (variant.desired or 0) - (variant.current or 0)
