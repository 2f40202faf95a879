"""Models, GPUs and traffic that are made up: capacities from a roofline of few lines, mixes like the paper's data sets.

The mixes stand for chats (Arena, short), summaries (PubMed, long prompts) and four parts of the first with one of the
second, as in Mélange (arXiv 2404.14527, section 6.1). Prices and data sheets are illustrative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray

MIXES = ("arena", "mixed", "pubmed")
# name, USD per hour, GB, GB per second, dense TFLOPS
CHIPS = """
L4 0.70 24 300 121
A10G 1.01 24 600 125
A100 3.67 80 1935 312
H100 7.516 80 3350 989
L40S 1.84 48 864 362
H200 8.50 141 4800 989
A100-40G 2.74 40 1555 312
A6000 0.79 48 768 155
MI300X 5.50 192 5300 1307
V100 1.50 32 900 112
RTX-PRO-6000 2.30 96 1792 500
B200 12.0 180 8000 2250
A30 0.95 24 933 165
L20 1.20 48 864 119
H20 3.20 96 4000 148
MI210 1.60 64 1600 181
"""
COMPUTE, BANDWIDTH, MEMORY = 0.45, 0.65, 0.92  # shares of the data sheet that are reached
STEP_SECONDS = 0.004  # of a decoding step, whatever the batch
LARGEST_BATCH = 512.0
SPREAD = 0.08  # of capacities around the roofline, as measured ones have


@dataclass(frozen=True, slots=True)
class Chip:
    """A GPU, or several that work as one."""

    name: str
    usd_per_hour: float
    gigabytes: float
    gigabytes_per_second: float
    tflops: float

    def times(self, gpus: int) -> Chip:
        """So many of them as one: each doubling loses 15 %."""
        reached = gpus * 0.85 ** np.log2(gpus)
        return Chip(
            self.name,
            gpus * self.usd_per_hour,
            gpus * self.gigabytes,
            reached * self.gigabytes_per_second,
            reached * self.tflops,
        )


@dataclass(frozen=True, slots=True)
class Weights:
    """A model with 16-bit weights, and what is promised of it."""

    parameters_billion: float = 8.0
    kv_bytes_per_token: float = 131_072.0
    tpot_seconds: float = 0.120
    ttft_seconds: float = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Roofline:
    """What a replica sustains.

    Args:
        capacity_rps: Shape (I, J), 0 where it cannot serve that bucket.
        idle_share: Of the TPOT promised, what a token takes in an empty batch.
    """

    capacity_rps: FloatArray
    idle_share: float


def chips() -> list[Chip]:
    """All of them."""
    rows = (line.split() for line in CHIPS.strip().splitlines())
    return [Chip(name, *map(float, figures)) for name, *figures in rows]


def edges(count: int, low: float, high: float) -> FloatArray:
    """Tokens, evenly on a log scale."""
    return np.asarray(np.geomspace(low, high, count))


def roofline(chip: Chip, weights: Weights, inputs: FloatArray, outputs: FloatArray) -> Roofline:
    """The largest batch that keeps TPOT and TTFT and fits, and its rate; a request's prefill stalls the others."""
    size, kv = 2.0 * weights.parameters_billion, weights.kv_bytes_per_token / 1e9
    rows, columns = inputs[:, None], outputs[None, :]
    prefill = 2e9 * weights.parameters_billion * rows / (chip.tflops * 1e12 * COMPUTE)
    bandwidth = chip.gigabytes_per_second * BANDWIDTH
    fixed = size / bandwidth + STEP_SECONDS
    each = kv * (rows + columns / 2) / bandwidth + prefill / columns
    room = np.maximum(chip.gigabytes * MEMORY - size, 0.0) / (kv * (rows + columns))
    batch = np.minimum(np.minimum((weights.tpot_seconds - fixed) / each, room), LARGEST_BATCH)
    able = (batch >= 1.0) & (prefill <= weights.ttft_seconds)
    rate = np.where(able, batch / (columns * (fixed + batch * each)), 0.0)
    return Roofline(rate, fixed / weights.tpot_seconds)


def mix(kind: str, inputs: FloatArray, outputs: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Shares of the buckets, shape (I, J), each up to 30 % off a smooth curve."""
    chat = np.outer(_bell(inputs, 180.0, 1.1), _bell(outputs, 180.0, 0.9))
    summary = np.outer(_bell(inputs, 4000.0, 0.6), _bell(outputs, 250.0, 0.5))
    smooth = {"arena": chat, "pubmed": summary, "mixed": 0.8 * chat / chat.sum() + 0.2 * summary / summary.sum()}[kind]
    shares = smooth * rng.uniform(0.7, 1.3, smooth.shape)
    return np.asarray(shares / shares.sum())


def one_model(types: int, shape: tuple[int, int], kind: str, rps: float, seed: int) -> AllocationProblem:
    """A model of 8 billion parameters on so many GPU types without caps: the paper's problem."""
    rng = np.random.default_rng(seed)
    inputs, outputs = edges(shape[0], 32, 16_384), edges(shape[1], 16, 1024)
    candidates = tuple(
        Candidate(
            chip.name,
            chip.name,
            1,
            chip.usd_per_hour,
            roofline(chip, Weights(), inputs, outputs).capacity_rps * rng.uniform(1 - SPREAD, 1 + SPREAD, shape),
        )
        for chip in chips()[:types]
    )
    return AllocationProblem((ModelDemand("model", rps * mix(kind, inputs, outputs, rng), candidates),), {})


def _bell(tokens: FloatArray, middle: float, width: float) -> FloatArray:
    return np.asarray(np.exp(-(np.log(tokens / middle) ** 2) / (2 * width**2)))
