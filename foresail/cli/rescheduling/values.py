"""What words on the command line of `foresail reschedule` mean."""

from __future__ import annotations

import argparse
import math

from foresail.cli.values import whole

MOST_MOVES = 100_000
MOST_NODES = 100_000
MOST_CHURN = 100.0
MOST_REST = 1e9  # seconds
MOST_PRICE = 1e6


def moves(text: str) -> int:
    """How many moves a plan may have."""
    return whole(text, least=0, most=MOST_MOVES)


def at_once(text: str) -> int:
    """How many moves may run at a time."""
    return whole(text, least=1, most=MOST_MOVES)


def nodes(text: str) -> int:
    """How many nodes an instance has."""
    return whole(text, least=1, most=MOST_NODES)


def share(text: str) -> float:
    """A part of a whole."""
    return _number(text, 1.0)


def churn(text: str) -> float:
    """How often everything has moved."""
    return _number(text, MOST_CHURN)


def rest_seconds(text: str) -> float:
    """How long a unit has been left alone."""
    return _number(text, MOST_REST)


def price(text: str) -> float:
    """What a move must earn."""
    return _number(text, MOST_PRICE)


def _number(text: str, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 <= number <= most:
        raise argparse.ArgumentTypeError(f"give a number from 0 to {most:g}, got {text!r}")
    return number
