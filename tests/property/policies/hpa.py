"""The HPA's algorithm, told once more and plainly, to compare with: one dictionary per policy, one list per event kind.

Written from the behavior section of the Kubernetes documentation ("Horizontal Pod Autoscaling: Configurable scaling
behavior") and KEP-853; it shares nothing with the product.
"""

from __future__ import annotations

import math
from typing import Any


class ReferenceHpa:
    """One target under an HPA whose raw recommendation is given."""

    def __init__(self, behavior: dict[str, Any], *, least: int, most: int) -> None:
        self.behavior, self.least, self.most = behavior, least, most
        self.recommended: list[tuple[float, int]] = []
        self.ups: list[tuple[float, int]] = []
        self.downs: list[tuple[float, int]] = []

    def step(self, now: float, current: int, raw: int) -> int:
        """The next count."""
        if not self.recommended:
            self.recommended.append((now, current))
        stable = self.stabilized(now, current, raw)
        self.recommended.append((now, raw))
        desired = self.limited(now, current, stable)
        if desired > current:
            self.ups.append((now, desired - current))
        if desired < current:
            self.downs.append((now, current - desired))
        return desired

    def stabilized(self, now: float, current: int, raw: int) -> int:
        up, down = (int(self.behavior[side]["window"]) for side in ("up", "down"))
        floor = min([raw] + [n for at, n in self.recommended if at > now - up])
        ceiling = max([raw] + [n for at, n in self.recommended if at > now - down])
        return min(max(current, floor), ceiling)

    def limited(self, now: float, current: int, wanted: int) -> int:
        if wanted > current:
            allowed = max(self.up_limit(now, current), current)
            return min(wanted, allowed, self.most)
        if wanted < current:
            allowed = min(self.down_limit(now, current), current)
            return max(wanted, allowed, self.least)
        return wanted

    def period_start(self, now: float, current: int, seconds: float) -> int:
        added = sum(n for at, n in self.ups if at > now - seconds)
        removed = sum(n for at, n in self.downs if at > now - seconds)
        return current - added + removed

    def up_limit(self, now: float, current: int) -> int:
        rules = self.behavior["up"]
        if rules["select"] == "Disabled":
            return current
        limits: list[int] = []
        for policy in rules["policies"]:
            start = self.period_start(now, current, policy["period"])
            by_percent = math.ceil(start * (1 + policy["value"] / 100))
            limits.append(start + policy["value"] if policy["type"] == "Pods" else by_percent)
        return min(limits) if rules["select"] == "Min" else max(limits)

    def down_limit(self, now: float, current: int) -> int:
        rules = self.behavior["down"]
        if rules["select"] == "Disabled":
            return current
        limits: list[int] = []
        for policy in rules["policies"]:
            start = self.period_start(now, current, policy["period"])
            by_percent = int(start * (1 - policy["value"] / 100))
            limits.append(start - policy["value"] if policy["type"] == "Pods" else by_percent)
        return max(limits) if rules["select"] == "Min" else min(limits)
