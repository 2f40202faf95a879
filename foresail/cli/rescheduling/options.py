"""Options that several commands of `foresail reschedule` have."""

from __future__ import annotations

import argparse

from foresail.cli.rescheduling.values import at_once, price, rest_seconds


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add what a wave may have."""
    add = parser.add_argument
    add("--parallel", metavar="N", type=at_once, default=5, help="moves of a wave (default 5, as KubeVirt)")
    add("--max-in", metavar="N", type=at_once, default=2, help="of them into one node (default 2)")
    add("--max-out", metavar="N", type=at_once, default=2, help="of them out of one node (default 2, as KubeVirt)")


def add_rest(parser: argparse.ArgumentParser) -> None:
    """Add what units must have behind them before they are moved."""
    add = parser.add_argument
    add("--minimum-age", metavar="SECONDS", type=rest_seconds, help="units younger than that stay: needs age_seconds")
    add(
        "--cool-down",
        metavar="SECONDS",
        type=rest_seconds,
        help="units that moved less than that ago stay: needs moved_seconds_ago, null for never",
    )


def add_price(parser: argparse.ArgumentParser, otherwise: float | None) -> None:
    """Add what moves must earn."""
    default = "what PLAN says" if otherwise is None else f"{otherwise:g}"
    parser.add_argument(
        "--price-per-move",
        metavar="X",
        type=price,
        default=otherwise,
        help=f"what each move must earn: free slots, GPUs of F, or whole nodes (default {default})",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add how the answer is printed."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text is for people (default)")
