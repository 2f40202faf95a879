"""An artifact: a trained model as a JSON card and safetensors bytes, never pickle; pure functions of both.

The card says what the weights were trained on and for. It carries a digest of the weights and one of itself, so that
what was cut, changed or mixed up on the way is refused. Digests find accidents; whoever can write both files can forge
them. The same card and weights always make the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from foresail.domain.errors import ArtifactError

FORMAT_VERSION = 1
STEP_TOLERANCE = 0.01  # of the step: what jitter of the rows' times may make of it
TRAIN_ANEW = "train it anew with `foresail forecast train`"
SEAL = "card_sha256"

Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What an artifact is.

    Args:
        format_version: Of card and weights together.
        model: What made it, as in `--models`.
        indicators: Columns it was trained on, in their order, length I.
        step_seconds: Between two rows.
        horizons: Rows ahead that it forecasts.
        train_start: Instant of the first row it was trained on, seconds since the epoch.
        train_end: Of the last one.
        rows: From first to last.
        settings: What the model needs to be rebuilt beside its weights; JSON.
        scores: How it fared on rows that were held out, `h1.flow.crps` and so on.
        versions: Of what made it, by package.
        seed: Of everything random in the training.
        weights_sha256: Digest of the weights; `encode` fills it in.
    """

    model: str
    indicators: tuple[str, ...]
    step_seconds: float
    horizons: tuple[int, ...]
    train_start: float
    train_end: float
    rows: int
    settings: Mapping[str, Any]
    scores: Mapping[str, float]
    versions: Mapping[str, str]
    seed: int
    format_version: int = FORMAT_VERSION
    weights_sha256: str = ""


KINDS: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "indicators": list,
    "step_seconds": (int, float),
    "horizons": list,
    "train_start": (int, float),
    "train_end": (int, float),
    "rows": int,
    "settings": dict,
    "scores": dict,
    "versions": dict,
    "seed": int,
    "format_version": int,
    "weights_sha256": str,
}


def encode(card: Card, weights: Mapping[str, NDArray[Any]]) -> tuple[str, bytes]:
    """Card and weights as they are kept.

    Args:
        card: Its digest is filled in.
        weights: Any names and shapes.

    Raises:
        ArtifactError: A weight is not finite.
        ValueError: The card's settings or scores are not JSON.
    """
    ordered = {name: np.asarray(weights[name], order="C") for name in sorted(weights)}
    _check_finite(ordered, "artifact")
    stored = save(ordered)
    return _sealed(asdict(replace(card, weights_sha256=sha256(stored).hexdigest()))), stored


def decode(
    card_text: str,
    weights: bytes,
    *,
    indicators: Sequence[str] | None = None,
    step_seconds: float | None = None,
    source: str = "artifact",
) -> tuple[Card, Weights]:
    """Read what `encode` made, and refuse everything else.

    Args:
        card_text: JSON.
        weights: Safetensors.
        indicators: Columns that it must have been trained on, in this order; None: any.
        step_seconds: Between the rows it must have been trained on; None: any.
        source: Where both were read, for messages.

    Raises:
        ArtifactError: Damaged, changed, of a newer format, or trained on something else.
    """
    card = _read_card(card_text, source)
    if indicators is not None:
        _check_indicators(card, indicators, source)
    if step_seconds is not None and not abs(step_seconds - card.step_seconds) <= STEP_TOLERANCE * card.step_seconds:
        raise ArtifactError(
            source,
            "step_seconds",
            f"was trained on rows {card.step_seconds:g} s apart",
            value=step_seconds,
            remedy=f"give rows at that step, or {TRAIN_ANEW}",
        )
    return card, _read_weights(weights, card, source)


def for_horizon(weights: Mapping[str, NDArray[Any]], horizon: int) -> Weights:
    """Weights of one horizon's model under the names they have in an artifact."""
    return {f"h{horizon}.{name}": weight for name, weight in weights.items()}


def of_horizon(weights: Mapping[str, NDArray[Any]], horizon: int) -> Weights:
    """The weights of one horizon's model, under their own names."""
    prefix = f"h{horizon}."
    return {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}


def _sealed(content: Mapping[str, Any]) -> str:
    """Canonical JSON of a card with its own digest."""
    digest = sha256(_canonical(content).encode()).hexdigest()
    return _canonical({**content, SEAL: digest})


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _read_card(text: str, source: str) -> Card:
    content = _read_object(text, source)
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise ArtifactError(
            source,
            "format_version",
            f"must be {FORMAT_VERSION}, the one that this version of foresail reads",
            value=version,
            remedy=f"{TRAIN_ANEW}, or use the version of foresail that made it",
        )
    claimed = content.pop(SEAL, None)
    try:
        untouched = _sealed(content) == text
    except ValueError:  # a number beyond what JSON has
        untouched = False
    if not untouched:
        raise ArtifactError(source, SEAL, "the card was changed after training", value=claimed, remedy=TRAIN_ANEW)
    _check_fields(content, source)
    content["indicators"], content["horizons"] = tuple(content["indicators"]), tuple(content["horizons"])
    return Card(**content)


def _read_object(text: str, source: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ArtifactError(source, "card", "is not a JSON object", value=text[:60], remedy=TRAIN_ANEW)
    return content


def _check_fields(content: Mapping[str, Any], source: str) -> None:
    names = {field.name for field in fields(Card)}
    odd = next(iter(sorted(names ^ content.keys())), None)
    if odd is not None:
        problem = "is missing" if odd in names else "is no field of a card"
        raise ArtifactError(source, odd, problem, value=content.get(odd), remedy=TRAIN_ANEW)
    wrong = next((name for name, kind in KINDS.items() if not isinstance(content[name], kind)), None)
    if wrong is not None:
        raise ArtifactError(source, wrong, "is of another type", value=content[wrong], remedy=TRAIN_ANEW)


def _check_indicators(card: Card, indicators: Sequence[str], source: str) -> None:
    if tuple(indicators) == card.indicators:
        return
    missing = [name for name in card.indicators if name not in indicators]
    extra = [name for name in indicators if name not in card.indicators]
    told = [f"{word} {', '.join(names)}" for word, names in (("missing", missing), ("extra", extra)) if names]
    raise ArtifactError(
        source,
        "indicators",
        f"was trained on other columns ({'; '.join(told) or 'the same in another order'})",
        value=", ".join(indicators),
        remedy=f"give {', '.join(card.indicators)}, or {TRAIN_ANEW}",
    )


def _read_weights(stored: bytes, card: Card, source: str) -> Weights:
    digest = sha256(stored).hexdigest()
    if digest != card.weights_sha256:
        raise ArtifactError(
            source,
            "weights_sha256",
            f"the weights ({len(stored)} bytes) are cut, changed or of another training",
            value=digest,
            remedy=f"copy both files again, or {TRAIN_ANEW}",
        )
    try:
        weights: Weights = load(stored)
    except (SafetensorError, KeyError) as error:
        raise ArtifactError(source, "weights", "are not safetensors", value=str(error), remedy=TRAIN_ANEW) from error
    _check_finite(weights, source)
    return weights


def _check_finite(weights: Mapping[str, NDArray[Any]], source: str) -> None:
    bad = next((name for name, weight in weights.items() if not np.isfinite(weight).all()), None)
    if bad is not None:
        raise ArtifactError(source, bad, "holds weights that are not finite", value="NaN or inf", remedy=TRAIN_ANEW)
