from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from foresail.domain.errors import ArtifactError
from foresail.forecaster.shelf import FETCHED, KEPT, PAST_FILE, TRAINING, Shelf
from foresail.forecasting.card import CARD_FILE, WEIGHTS_FILE
from tests.builders import NOW
from tests.unit.forecaster.artifacts import KEY, FakeModel, make_card, write_artifact

Damage = Callable[[Path], object]


def make_shelf(folder: Path) -> Shelf:
    shelf = Shelf(folder, FakeModel)
    shelf.load()
    return shelf


def put(shelf: Shelf, seed: int, now: float) -> None:
    shelf.put(KEY, write_artifact(shelf.folder / TRAINING, make_card(seed=seed)), now)


def truncate(folder: Path) -> object:
    return (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:-8])


def tamper(folder: Path) -> object:
    return (folder / CARD_FILE).write_text((folder / CARD_FILE).read_text().replace("0.08", "0.01"))


DAMAGES: dict[str, Damage] = {
    "truncated": truncate,
    "tampered": tamper,
    "empty": lambda folder: (folder / CARD_FILE).write_text(""),
    "no card": lambda folder: (folder / CARD_FILE).unlink(),
    "no weights": lambda folder: (folder / WEIGHTS_FILE).unlink(),
    "binary": lambda folder: (folder / CARD_FILE).write_bytes(b"\xff\xfe"),
}


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    put(make_shelf(tmp_path), 1, NOW)
    served = make_shelf(tmp_path).served[KEY]
    assert served.card.seed == 1
    assert served.serves
    assert served.past is not None
    assert (served.past.step_seconds, served.past.end, len(served.past)) == (300.0, NOW, 12)


def test_the_newest_serves_and_old_ones_go(tmp_path: Path) -> None:
    shelf = make_shelf(tmp_path)
    for seed in range(4):
        put(shelf, seed, NOW + seed)
    assert shelf.served[KEY].card.seed == 3
    assert make_shelf(tmp_path).served[KEY].card.seed == 3
    assert len(list((tmp_path / "prod" / "chat").iterdir())) == KEPT


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_artifact_is_refused_and_put_aside_and_the_former_serves(tmp_path: Path, damage: Damage) -> None:
    shelf = make_shelf(tmp_path)
    put(shelf, 1, NOW)
    put(shelf, 2, NOW + 1)
    newest = max((tmp_path / "prod" / "chat").iterdir())
    damage(newest)

    again = make_shelf(tmp_path)
    assert again.served[KEY].card.seed == 1
    assert KEY in again.refused
    assert (tmp_path / ".refused" / "prod" / "chat").is_dir()
    assert not newest.exists()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_was_trained_badly_replaces_nothing(tmp_path: Path, damage: Damage) -> None:
    shelf = make_shelf(tmp_path)
    put(shelf, 1, NOW)
    fresh = write_artifact(tmp_path / TRAINING, make_card(seed=2))
    damage(fresh)
    with pytest.raises(ArtifactError):
        shelf.put(KEY, fresh, NOW + 1)
    assert shelf.served[KEY].card.seed == 1
    assert make_shelf(tmp_path).served[KEY].card.seed == 1


def test_weights_that_the_model_does_not_take_are_refused(tmp_path: Path) -> None:
    def restore(_: object, weights: dict[str, object]) -> FakeModel:
        raise ValueError(f"weight mixing must have shape (3, 3), got {list(weights)}")

    shelf = Shelf(tmp_path, restore)
    with pytest.raises(ArtifactError, match="mixing must have shape"):
        shelf.put(KEY, write_artifact(tmp_path / TRAINING), NOW)


def test_what_was_being_trained_when_a_process_ended_is_swept_away(tmp_path: Path) -> None:
    write_artifact(tmp_path / TRAINING)
    assert make_shelf(tmp_path).served == {}
    assert not (tmp_path / TRAINING).exists()


def cut_off(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def flip(whole: bytes) -> bytes:
    middle = len(whole) // 3
    return whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_off, flip, lambda _: b"nothing", lambda _: b""])
def test_without_its_past_a_model_serves_without_seasons(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    put(make_shelf(tmp_path), 1, NOW)
    (folder,) = (tmp_path / "prod" / "chat").iterdir()
    (folder / PAST_FILE).write_bytes(damage((folder / PAST_FILE).read_bytes()))
    served = make_shelf(tmp_path).served[KEY]
    assert served.past is None
    assert np.array_equal(served.model.weights["w"], np.arange(3.0))  # type: ignore[attr-defined]


def test_strange_files_in_the_folder_hurt_nothing(tmp_path: Path) -> None:
    (tmp_path / "workloads.json").write_text("{}")
    (tmp_path / "prod" / "chat" / "notes").mkdir(parents=True)
    (tmp_path / "prod" / "README").write_text("")
    assert make_shelf(tmp_path).served == {}


def test_what_was_kept_elsewhere_is_taken_in_where_it_is_newer(tmp_path: Path) -> None:
    shelf = make_shelf(tmp_path)
    put(shelf, 1, NOW)
    for seed, stamp in ((2, NOW), (3, NOW - 1), (4, NOW + 1)):
        shelf.adopt(KEY, write_artifact(tmp_path / FETCHED, make_card(seed=seed)), f"{stamp * 1000:015.0f}")
        assert shelf.served[KEY].card.seed == (4 if seed == 4 else 1)
    assert make_shelf(tmp_path).served[KEY].card.seed == 4


def test_what_was_being_fetched_when_a_process_ended_is_swept_away(tmp_path: Path) -> None:
    write_artifact(tmp_path / FETCHED)
    assert make_shelf(tmp_path).served == {}
    assert not (tmp_path / FETCHED).exists()


def test_a_workload_is_forgotten_with_its_files(tmp_path: Path) -> None:
    shelf = make_shelf(tmp_path)
    put(shelf, 1, NOW)
    shelf.remove(KEY)
    assert shelf.served == {}
    assert make_shelf(tmp_path).served == {}
