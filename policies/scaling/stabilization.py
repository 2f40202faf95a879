"""The HPA's `behavior`, one target at a time: stabilization windows and limits of change within a period.

The words, the rounding and the order are those of autoscaling/v2: first the proposal is brought between the least
proposal of the scale-up window and the greatest of the scale-down window, then the change is limited.

References:
    kubernetes/kubernetes, pkg/controller/podautoscaler/horizontal.go: stabilizeRecommendationWithBehaviors,
    calculateScaleUpLimitWithScalingRules, calculateScaleDownLimitWithBehaviors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from foresail.domain.memory import Change, Recommendation
from foresail.domain.workload import Behavior, ScalingPolicy, ScalingPolicyType, ScalingRules, SelectPolicy


def stabilize_count(
    proposed: int, current: int, recommendations: Iterable[Recommendation], behavior: Behavior, *, now: float
) -> int:
    """Bring the proposal within what was proposed during the windows.

    Args:
        proposed: The proposal of this cycle.
        current: Replicas now.
        recommendations: Former proposals for this target.
        behavior: The rules of both directions.
        now: Instant, seconds since the epoch.
    """
    up_cutoff = now - behavior.scale_up.stabilization_window_seconds
    down_cutoff = now - behavior.scale_down.stabilization_window_seconds
    least, greatest = proposed, proposed
    for recommendation in recommendations:
        if recommendation.time > up_cutoff:
            least = min(least, recommendation.replicas)
        if recommendation.time > down_cutoff:
            greatest = max(greatest, recommendation.replicas)
    return min(max(current, least), greatest)


def limit_change(proposed: int, current: int, changes: Sequence[Change], behavior: Behavior, *, now: float) -> int:
    """Limit the change to what the policies allow within their periods.

    Args:
        proposed: Replicas wanted.
        current: Replicas now.
        changes: Former changes of this target.
        behavior: The rules of both directions.
        now: Instant, seconds since the epoch.
    """
    if proposed > current:
        return min(proposed, max(_upper_limit(current, changes, behavior.scale_up, now), current))
    if proposed < current:
        return max(proposed, min(_lower_limit(current, changes, behavior.scale_down, now), current))
    return proposed


def _upper_limit(current: int, changes: Sequence[Change], rules: ScalingRules, now: float) -> int:
    if rules.select_policy is SelectPolicy.DISABLED:
        return current
    limits = [_above(_start_of_period(current, changes, policy, now), policy) for policy in rules.policies]
    # Without policies nothing limits; the HPA fills in its defaults, and so does our parser.
    return (min if rules.select_policy is SelectPolicy.MIN else max)(limits, default=_unlimited(current, up=True))


def _lower_limit(current: int, changes: Sequence[Change], rules: ScalingRules, now: float) -> int:
    if rules.select_policy is SelectPolicy.DISABLED:
        return current
    limits = [_below(_start_of_period(current, changes, policy, now), policy) for policy in rules.policies]
    return (max if rules.select_policy is SelectPolicy.MIN else min)(limits, default=_unlimited(current, up=False))


def _unlimited(current: int, *, up: bool) -> int:
    return current + 2**31 if up else 0


def _start_of_period(current: int, changes: Sequence[Change], policy: ScalingPolicy, now: float) -> int:
    """Replicas at the start of a policy's period."""
    return current - sum(change.delta for change in changes if change.time > now - policy.period_seconds)


def _above(start: int, policy: ScalingPolicy) -> int:
    if policy.type is ScalingPolicyType.PODS:
        return start + policy.value
    # Rounded up, as a change that rounds to nothing would never start.
    return math.ceil(start * (1 + policy.value / 100))


def _below(start: int, policy: ScalingPolicy) -> int:
    if policy.type is ScalingPolicyType.PODS:
        return start - policy.value
    return int(start * (1 - policy.value / 100))
