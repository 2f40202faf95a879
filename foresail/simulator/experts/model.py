"""The model that is served: attention over what a session said, then experts, layer by layer; always the same bits."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.placement import IntArray

VOCABULARY = 256
PAGE_BYTES = mmap.PAGESIZE
Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
FindExpert = Callable[[int, int], Numbers]


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a model and of what it remembers.

    Args:
        layers: Each with attention and experts.
        experts: Of a layer.
        width: Numbers of a token.
        inner: Numbers inside an expert.
        per_token: Experts that a token goes to.
        tokens: Of a request.
        sessions: That are remembered.
        history: Requests of a session that are remembered; then it starts afresh.
        seed: Of all weights.
    """

    layers: int = 8
    experts: int = 64
    width: int = 128
    inner: int = 256
    per_token: int = 2
    tokens: int = 4
    sessions: int = 16
    history: int = 128
    seed: int = 7

    def __post_init__(self) -> None:
        if self.expert_bytes % PAGE_BYTES:
            raise ValueError(f"an expert must fill pages of {PAGE_BYTES} bytes, got {self.expert_bytes}")

    @property
    def expert_numbers(self) -> int:
        """Of both matrices of an expert."""
        return 2 * self.width * self.inner

    @property
    def expert_bytes(self) -> int:
        """A page of memory."""
        return 4 * self.expert_numbers

    @property
    def cache_numbers(self) -> int:
        """What all sessions say, and how much each has said."""
        return self.sessions * self.layers * self.history * self.width + self.sessions


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Weights that are not experts: embeddings (V, D), attention (L, D, D), routers (L, E, D)."""

    embeddings: Numbers
    attention: Numbers
    routers: Numbers


def make_frame(shape: Shape) -> Frame:
    """The same for everybody who asks."""
    chance = np.random.default_rng(shape.seed)
    width, layers = shape.width, shape.layers
    return Frame(
        chance.standard_normal((VOCABULARY, width), np.float32),
        chance.standard_normal((layers, width, width), np.float32) / np.float32(np.sqrt(width)),
        chance.standard_normal((layers, shape.experts, width), np.float32),
    )


def write_checkpoint(shape: Shape, file: Path) -> None:
    """All experts, layer by layer."""
    chance = np.random.default_rng(shape.seed + 1)
    with file.open("wb") as out:
        for _ in range(shape.layers * shape.experts):
            numbers = chance.standard_normal(shape.expert_numbers, np.float32) / np.float32(np.sqrt(shape.width))
            out.write(numbers.tobytes())


@dataclass(frozen=True, slots=True, eq=False)
class Cache:
    """What sessions said: (sessions, layers, history, width), and how many requests of each."""

    said: Numbers
    lengths: Numbers

    @classmethod
    def over(cls, shape: Shape, numbers: Numbers) -> Cache:
        """A cache in given memory."""
        said = numbers[: -shape.sessions].reshape(shape.sessions, shape.layers, shape.history, shape.width)
        return cls(said, numbers[-shape.sessions :])


def step(shape: Shape, frame: Frame, cache: Cache, request: tuple[int, IntArray], expert: FindExpert) -> Numbers:
    """Serve a request: session and tokens; what is remembered counts only when all is done, so it can be done again."""
    session, tokens = request
    at = int(cache.lengths[session]) % shape.history
    hidden = frame.embeddings[tokens]
    for layer in range(shape.layers):
        cache.said[session, layer, at] = hidden.mean(axis=0)
        told = cache.said[session, layer, : at + 1]
        hidden = hidden + _softmax(hidden @ frame.attention[layer] @ told.T / np.float32(np.sqrt(shape.width))) @ told
        hidden = _normal(hidden + _experts(shape, frame, layer, hidden, expert))
    cache.lengths[session] += 1
    return hidden


def _experts(shape: Shape, frame: Frame, layer: int, hidden: Numbers, expert: FindExpert) -> Numbers:
    scores = hidden @ frame.routers[layer].T
    chosen = np.argsort(-scores, axis=1, kind="stable")[:, : shape.per_token]
    weights = _softmax(np.take_along_axis(scores, chosen, axis=1))
    found = np.zeros_like(hidden)
    for index in np.unique(chosen):
        rows, places = np.nonzero(chosen == index)
        up, down = expert(layer, int(index)).reshape(2, shape.inner, shape.width)
        found[rows] += weights[rows, places, None] * (np.maximum(hidden[rows] @ up.T, 0) @ down)
    return found


def _softmax(scores: Numbers) -> Numbers:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _normal(hidden: Numbers) -> Numbers:
    return np.asarray(hidden / np.sqrt(np.square(hidden).mean(axis=-1, keepdims=True) + np.float32(1e-6)))


def count_loads(shape: Shape, used: FloatArray) -> FloatArray:
    """Loads for a plan: what was counted, and a little for experts that nobody asked for yet."""
    loads: FloatArray = used + 0.05 * used.sum(axis=1, keepdims=True) / shape.experts + 1e-9
    return loads
