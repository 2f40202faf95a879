"""Laws of artifacts: what was kept comes back, and whatever else is read is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import save

from foresail.domain.errors import ArtifactError, InputError
from foresail.forecasting.artifact import Weights, decode, encode, for_horizon, of_horizon
from foresail.forecasting.card import FORMAT_VERSION, Card

CARD = Card(
    model="flow",
    indicators=("load", "net.in"),
    step_seconds=600.0,
    horizons=(1, 3),
    train_start=1.5e9,
    train_end=1.5e9 + 600.0 * 99,
    rows=100,
    settings={"levels": 100, "h1": {"layers": 2}, "h3": {"layers": 2}},
    scores={"h1.flow.crps": 0.03, "h1.mixture.crps": 0.031},
    versions={"foresail": "0.1.0", "torch": "2.15.0"},
    seed=7,
)
WEIGHTS: Weights = {
    "h1.scale": np.array([[0.5, -1.5], [2.0, 0.0]], dtype=np.float32),
    "h3.scale": np.array([1.0, 2.0, 3.0]),
    "h3.rate": np.array(0.25),
}

finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
cards = st.builds(
    Card,
    model=st.just("flow"),
    indicators=st.lists(st.text(), unique=True, max_size=4).map(tuple),
    step_seconds=st.floats(1e-3, 1e6),
    horizons=st.lists(st.integers(1, 1000), unique=True, max_size=4).map(tuple),
    train_start=finite,
    train_end=finite,
    rows=st.integers(0, 10**9),
    settings=st.dictionaries(st.text(), json_values, max_size=4),
    scores=st.dictionaries(st.text(), finite, max_size=4),
    versions=st.dictionaries(st.text(), st.text(), max_size=3),
    seed=st.integers(0, 2**63 - 1),
)
weights_of_any_shape = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name != "__metadata__"),
    arrays.arrays(
        st.sampled_from([np.float32, np.float64]),
        arrays.array_shapes(min_dims=0, max_dims=3, max_side=4),
        elements=st.floats(-1e6, 1e6, width=32),
    ),
    max_size=4,
)


@given(cards, weights_of_any_shape)
def test_what_was_kept_comes_back(card: Card, weights: Weights) -> None:
    text, stored = encode(card, weights)
    read, got = decode(text, stored, indicators=card.indicators, step_seconds=card.step_seconds)
    assert read == replace(card, weights_sha256=sha256(stored).hexdigest())
    assert set(got) == set(weights)
    for name, weight in weights.items():
        assert (got[name].dtype, got[name].shape) == (weight.dtype, weight.shape)
        np.testing.assert_array_equal(got[name], weight)


@given(cards, weights_of_any_shape)
def test_the_same_card_and_weights_are_the_same_bytes_in_any_order(card: Card, weights: Weights) -> None:
    backwards = dict(reversed(list(weights.items())))
    settings = dict(reversed(list(card.settings.items())))
    assert encode(card, weights) == encode(replace(card, settings=settings), backwards)


@given(st.data())
def test_any_byte_that_is_changed_is_refused(data: st.DataObject) -> None:
    text, stored = encode(CARD, WEIGHTS)
    files = [text.encode(), stored]
    which = data.draw(st.integers(0, 1))
    damaged = bytearray(files[which])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    files[which] = bytes(damaged)
    with pytest.raises((ArtifactError, UnicodeDecodeError)):
        decode(files[0].decode(), files[1])


@given(st.data())
def test_any_file_that_is_cut_is_refused(data: st.DataObject) -> None:
    text, stored = encode(CARD, WEIGHTS)
    with pytest.raises(ArtifactError):
        decode(text, stored[: data.draw(st.integers(0, len(stored) - 1))])
    with pytest.raises(ArtifactError):
        decode(text[: data.draw(st.integers(0, len(text) - 1))], stored)


def test_weights_of_any_layout_in_memory_are_kept_as_they_read() -> None:
    square = np.arange(6.0).reshape(2, 3)
    _, got = decode(*encode(CARD, {"turned": square.T, "thinned": square[:, ::2]}))
    np.testing.assert_array_equal(got["turned"], square.T)
    np.testing.assert_array_equal(got["thinned"], square[:, ::2])


def test_the_weights_of_a_horizon_are_told_apart_by_their_names() -> None:
    small, large = {"w": np.zeros(1)}, {"w": np.ones(2)}
    together = for_horizon(small, 1) | for_horizon(large, 12)
    assert sorted(together) == ["h1.w", "h12.w"]
    np.testing.assert_array_equal(of_horizon(together, 1)["w"], small["w"])
    np.testing.assert_array_equal(of_horizon(together, 12)["w"], large["w"])


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (("load",), "missing net.in"),
        (("load", "net.in", "disk"), "extra disk"),
        (("load", "net.out"), "missing net.in; extra net.out"),
        (("net.in", "load"), "the same in another order"),
    ],
)
def test_other_indicators_are_refused_and_named(columns: tuple[str, ...], told: str) -> None:
    with pytest.raises(ArtifactError, match=told) as refused:
        decode(*encode(CARD, WEIGHTS), indicators=columns, source="models/chat")
    assert refused.value.field == "indicators"
    assert str(refused.value).startswith("models/chat: indicators: ")


@pytest.mark.parametrize("step", [60.0, 590.0, 0.0, -600.0, float("nan"), float("inf")])
def test_another_step_is_refused(step: float) -> None:
    with pytest.raises(ArtifactError, match="600 s apart") as refused:
        decode(*encode(CARD, WEIGHTS), step_seconds=step)
    assert (refused.value.field, str(refused.value.value)) == ("step_seconds", str(step))


def test_a_step_that_jitters_is_the_same_step() -> None:
    assert decode(*encode(CARD, WEIGHTS), step_seconds=600.4)[0].step_seconds == 600.0


def test_a_newer_format_is_said_before_anything_else() -> None:
    with pytest.raises(ArtifactError, match="must be 1") as refused:
        decode('{"format_version": 2, "what": "ever"}', b"")
    assert (refused.value.field, refused.value.value) == ("format_version", 2)


def test_a_card_that_was_edited_is_refused() -> None:
    text, stored = encode(CARD, WEIGHTS)
    for edited in (text.replace("600.0", "60.0"), text.replace("\n", "\r\n"), text + " ", json.dumps(json.loads(text))):
        with pytest.raises(ArtifactError, match="changed after training"):
            decode(edited, stored)


@pytest.mark.parametrize("text", ["", "null", "[]", "{", "[" * 100_000, "9" * 5000, '{"format_version": 1e999}'])
def test_text_that_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(ArtifactError):
        decode(text, b"")


def sealed(**changes: Any) -> str:
    """A card whose digest is right, by another hand."""
    content = json.loads(encode(CARD, WEIGHTS)[0])
    del content["card_sha256"]
    content = {name: value for name, value in (content | changes).items() if value != "gone"}
    digest = sha256((json.dumps(content, indent=2, sort_keys=True) + "\n").encode()).hexdigest()
    return json.dumps(content | {"card_sha256": digest}, indent=2, sort_keys=True) + "\n"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rows": "gone"}, "rows"),
        ({"note": "mine"}, "note"),
        ({"horizons": "1,3"}, "horizons"),
        ({"settings": None}, "settings"),
        ({"step_seconds": float("inf")}, "card_sha256"),
        ({"weights_sha256": "0" * 64}, "weights_sha256"),
    ],
)
def test_a_card_of_another_hand_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    assert decode(sealed(), encode(CARD, WEIGHTS)[1])
    with pytest.raises(ArtifactError) as refused:
        decode(sealed(**changes), encode(CARD, WEIGHTS)[1])
    assert refused.value.field == field


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_neither_kept_nor_read(bad: float) -> None:
    weights = {"w": np.array([1.0, bad])}
    with pytest.raises(ArtifactError, match="not finite") as refused:
        encode(CARD, weights)
    assert refused.value.field == "w"
    stored = save(weights)
    with pytest.raises(ArtifactError, match="not finite"):
        decode(sealed(weights_sha256=sha256(stored).hexdigest()), stored)


def make_header(header: str) -> bytes:
    return len(header).to_bytes(8, "little") + header.encode()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"pickle",
        make_header('{"w":{"dtype":"F64","shape":[3],"data_offsets":[0,16]}}') + bytes(16),  # shape and bytes differ
        make_header('{"w":{"dtype":"F8_E8M0","shape":[1],"data_offsets":[0,1]}}') + bytes(1),  # none of numpy's
    ],
)
def test_bytes_that_are_not_weights_are_refused(stored: bytes) -> None:
    with pytest.raises(ArtifactError, match="not safetensors"):
        decode(sealed(weights_sha256=sha256(stored).hexdigest()), stored)


def test_what_json_has_not_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(replace(CARD, scores={"h1.flow.crps": float("nan")}), WEIGHTS)


def test_an_artifact_error_is_an_input_error_of_the_format_known_here() -> None:
    assert issubclass(ArtifactError, InputError)
    assert json.loads(encode(CARD, WEIGHTS)[0])["format_version"] == FORMAT_VERSION
