"""Set replicas through the `/scale` subresource, only that, and only on the object that was observed.

The patch names the UID and the resourceVersion of the observation: if the target was changed or recreated since, the
API server answers 409 and nothing happens. That is an outcome, not a failure: the next cycle looks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from foresail.domain.decision import VariantDecision
from foresail.domain.errors import ActuationError, ConflictError
from foresail.operator.actuate.fence import FencedWriter, NotLeadingError
from foresail.operator.actuate.kube import MERGE_PATCH


class OutcomeKind(StrEnum):
    """What came of a write."""

    WRITTEN = "Written"
    CONFLICT = "Conflict"
    REFUSED = "Refused"
    NOT_LEADING = "NotLeading"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of setting one variant's replicas."""

    variant: str
    replicas: int
    kind: OutcomeKind
    message: str


def is_due(variant: VariantDecision) -> bool:
    """Whether there is something to write: we may act, the target is known, and its replicas are other ones."""
    return (
        variant.acts
        and variant.desired is not None
        and variant.current is not None
        and variant.desired != variant.current
        and bool(variant.target_uid)
        and bool(variant.resource_version)
    )


async def scale(writer: FencedWriter, path: str, variant: VariantDecision) -> Outcome:
    """Set the replicas of one due variant and say what came of it; never raises for what the API server answers."""
    desired = variant.desired or 0
    body = {
        "metadata": {"uid": variant.target_uid, "resourceVersion": variant.resource_version},
        "spec": {"replicas": desired},
    }
    try:
        await writer.write("PATCH", path, body, content_type=MERGE_PATCH)
    except ConflictError as error:
        return Outcome(variant.name, desired, OutcomeKind.CONFLICT, f"the target changed since it was read: {error}")
    except NotLeadingError as error:
        return Outcome(variant.name, desired, OutcomeKind.NOT_LEADING, str(error))
    except ActuationError as error:
        return Outcome(variant.name, desired, OutcomeKind.REFUSED, str(error))
    return Outcome(variant.name, desired, OutcomeKind.WRITTEN, f"replicas set from {variant.current} to {desired}")
