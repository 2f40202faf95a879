"""A card: what an artifact's weights were trained on and for, as JSON that carries a digest of itself.

Digests find accidents; whoever can write the file can forge it. The same card always makes the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Any

from foresail.domain.errors import ArtifactError

CARD_FILE, WEIGHTS_FILE = "card.json", "weights.safetensors"  # of an artifact that is kept in a folder
FORMAT_VERSION = 1
STEP_TOLERANCE = 0.01  # of the step: what jitter of the rows' times may make of it
TRAIN_ANEW = "train it anew with `foresail forecast train`"
SEAL = "card_sha256"


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


def seal(card: Card) -> str:
    """The card's JSON with its own digest.

    Raises:
        ValueError: Its settings or scores are not JSON.
    """
    return _sealed(asdict(card))


def read_card(text: str, source: str) -> Card:
    """Read what `seal` made, and refuse everything else.

    Args:
        text: JSON.
        source: Where it was read, for messages.

    Raises:
        ArtifactError: Damaged, changed or of another format.
    """
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


def check_indicators(card: Card, indicators: Sequence[str], source: str) -> None:
    """Make sure that it was trained on these columns in this order.

    Raises:
        ArtifactError: It was not.
    """
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


def check_step(card: Card, step_seconds: float, source: str) -> None:
    """Make sure that it was trained on rows so far apart.

    Raises:
        ArtifactError: It was not.
    """
    if not abs(step_seconds - card.step_seconds) <= STEP_TOLERANCE * card.step_seconds:
        raise ArtifactError(
            source,
            "step_seconds",
            f"was trained on rows {card.step_seconds:g} s apart",
            value=step_seconds,
            remedy=f"give rows at that step, or {TRAIN_ANEW}",
        )


def _sealed(content: Mapping[str, Any]) -> str:
    """Canonical JSON of a card with its own digest."""
    digest = sha256(_canonical(content).encode()).hexdigest()
    return _canonical({**content, SEAL: digest})


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"
