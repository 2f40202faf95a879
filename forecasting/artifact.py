"""An artifact: a trained model as a JSON card and safetensors bytes, never pickle; pure functions of both.

The card carries a digest of the weights and one of itself, so that what was cut, changed or mixed up on the way is
refused. Digests find accidents; whoever can write both files can forge them. The same card and weights always make the
same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from foresail.domain.errors import ArtifactError
from foresail.forecasting.card import TRAIN_ANEW, Card, check_indicators, check_step, read_card, seal

Weights = dict[str, NDArray[Any]]


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
    return seal(replace(card, weights_sha256=sha256(stored).hexdigest())), stored


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
    card = read_card(card_text, source)
    if indicators is not None:
        check_indicators(card, indicators, source)
    if step_seconds is not None:
        check_step(card, step_seconds, source)
    return card, _read_weights(weights, card, source)


def for_horizon(weights: Mapping[str, NDArray[Any]], horizon: int) -> Weights:
    """Weights of one horizon's model under the names they have in an artifact."""
    return {f"h{horizon}.{name}": weight for name, weight in weights.items()}


def of_horizon(weights: Mapping[str, NDArray[Any]], horizon: int) -> Weights:
    """The weights of one horizon's model, under their own names."""
    prefix = f"h{horizon}."
    return {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}


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
