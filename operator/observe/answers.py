"""What a query comes back with: numbers as arrays, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foresail.domain.timeseries import FloatArray

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """There is no answer. `reason` is CamelCase, `message` a sentence that says what to do."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """Values of S series at one instant.

    Args:
        labels: Labels of each series, length S.
        values: Shape (S,); NaN and infinities are as Prometheus gave them.
        warnings: What Prometheus had to say about its answer.
    """

    labels: tuple[Labels, ...]
    values: FloatArray
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Values of S series on a regular grid of N instants.

    Args:
        labels: Labels of each series, length S.
        start: First instant, seconds since the epoch.
        step_seconds: Spacing.
        values: Shape (S, N); NaN where there is no sample.
        warnings: What Prometheus had to say about its answer.
    """

    labels: tuple[Labels, ...]
    start: float
    step_seconds: float
    values: FloatArray
    warnings: tuple[str, ...] = ()


class MalformedAnswerError(ValueError):
    """The answer is not what Prometheus' API promises."""


def read_vector(answer: Any) -> Vector:
    """Understand the answer to an instant query.

    Raises:
        MalformedAnswerError: It is no vector.
    """
    result = _result(answer, "vector")
    try:
        values = np.array([float(entry["value"][1]) for entry in result], dtype=np.float64)
        return Vector(tuple(entry["metric"] for entry in result), values, _warnings(answer))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise MalformedAnswerError(f"a sample is not understood: {error}") from error


def read_matrix(answer: Any, start: float, step_seconds: float, length: int) -> Matrix:
    """Understand the answer to a range query of `length` instants, its samples packed or as they came.

    Raises:
        MalformedAnswerError: It is no matrix, or has samples outside the range.
    """
    result = _result(answer, "matrix")
    values = np.full((len(result), length), np.nan)
    try:
        samples = [pack_samples(entry)["values"] for entry in result]
        instants, numbers = np.concatenate([*samples, np.empty((0, 2))]).T
        labels = tuple(entry["metric"] for entry in result)
        columns = np.rint((instants - start) / step_seconds).astype(np.int64)
        if (columns < 0).any():
            raise MalformedAnswerError("a sample lies before the range")
        values[np.repeat(np.arange(len(result)), [len(each) for each in samples]), columns] = numbers
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise MalformedAnswerError(f"a sample is not understood: {error}") from error
    return Matrix(labels, start, step_seconds, values, _warnings(answer))


def pack_samples(entry: dict[str, Any]) -> dict[str, Any]:
    """Have the samples of a series, instants and texts, as an array of shape (N, 2); all else stays as it is.

    As JSON's `object_hook` this spares a tree of some hundred bytes a sample.
    """
    samples = entry.get("values")
    if "metric" in entry and isinstance(samples, list):
        numbers = [float(part) for sample in samples for part in sample]
        entry["values"] = np.array(numbers, dtype=np.float64).reshape(-1, 2)
    return entry


def _result(answer: Any, kind: str) -> Sequence[Any]:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict) or data.get("resultType") != kind or not isinstance(data.get("result"), list):
        raise MalformedAnswerError(f"it is no {kind}")
    result: list[Any] = data["result"]
    return result


def _warnings(answer: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(text) for key in ("warnings", "infos") for text in answer.get(key) or ())
