"""What words on the command line of `foresail forecast` and `foresail allocate` mean."""

from __future__ import annotations

import argparse
from pathlib import Path

LEAST_LEVELS, MOST_LEVELS = 10, 1000
MOST_SAMPLES = 100
LEAST_UTILIZATION = 0.001  # a replica that is all but idle: what is less is a slip
LOWEST, HIGHEST = 0.005, 0.995  # levels of the outermost quantiles that are known of a hundred


def split(text: str) -> tuple[float, float, float]:
    """Three shares of the rows."""
    try:
        train, between, test = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"give three shares such as 0.7,0.1,0.2, got {text!r}") from None
    if not (0.0 < train < 1.0 and 0.0 < test < 1.0 and between >= 0.0 and train + between + test <= 1.0 + 1e-9):
        raise argparse.ArgumentTypeError(f"shares must be positive and at most 1 together, got {text!r}")
    return train, between, test


def horizons(text: str) -> tuple[int, ...]:
    """Rows ahead, each once."""
    return tuple(dict.fromkeys(whole(part, least=1, most=100_000) for part in text.split(",")))


def levels(text: str) -> int:
    """How many quantiles."""
    return whole(text, least=LEAST_LEVELS, most=MOST_LEVELS)


def seed(text: str) -> int:
    """A seed."""
    return whole(text, least=0, most=2**63 - 1)


def whole(text: str, *, least: int, most: int) -> int:
    """A whole number between limits."""
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"give a whole number from {least} to {most}, got {text!r}")
    return number


def quantiles(text: str) -> tuple[float, ...]:
    """Levels of quantiles, each once."""
    try:
        levels = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        levels = (-1.0,)
    if not all(LOWEST <= level <= HIGHEST for level in levels):
        raise argparse.ArgumentTypeError(f"give levels from {LOWEST} to {HIGHEST} such as .05,.5,.95, got {text!r}")
    return levels


def samples(text: str) -> int:
    """How many samples."""
    return whole(text, least=0, most=MOST_SAMPLES)


def png(text: str) -> Path:
    """Where a plot goes."""
    if Path(text).suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"give a name that ends in .png, got {text!r}")
    return Path(text)


def seconds(text: str) -> float:
    """A time limit."""
    return _positive(text, most=86_400.0, example="2.5")


def utilization(text: str) -> float:
    """A share of what replicas can carry."""
    share = _positive(text, most=1.0, example="0.8")
    if share < LEAST_UTILIZATION:
        raise argparse.ArgumentTypeError(f"give at least {LEAST_UTILIZATION:g}, such as 0.8, got {text!r}")
    return share


def _positive(text: str, *, most: float, example: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number <= most:
        raise argparse.ArgumentTypeError(f"give a number above 0 and at most {most:g}, such as {example}, got {text!r}")
    return number
