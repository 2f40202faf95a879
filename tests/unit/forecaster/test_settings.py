from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foresail.cli.main import main
from foresail.domain.errors import SettingsError
from foresail.forecaster.settings import Settings, load_settings


def test_without_anything_the_defaults_hold() -> None:
    assert load_settings({}) == Settings()


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "forecaster.yaml"
    config.write_text("train_every_seconds: 60\nprometheus: http://there:9090/\nlisten: ':9000'\nhistory_hours: 24\n")
    settings = load_settings({"config": str(config), "history_hours": 48.0, "artifacts": None})
    assert (settings.train_every_seconds, settings.history_hours) == (60.0, 48.0)
    assert (settings.prometheus_url, settings.listen_host, settings.listen_port) == (
        "http://there:9090",
        "0.0.0.0",
        9000,
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"train_every_second": 60}, ["train_every_second", "did you mean train_every_seconds?"]),
        ({"train_every_seconds": 0}, ["train_every_seconds", "out of range", "got 0"]),
        ({"listen": "nowhere"}, ["listen", "127.0.0.1:8090"]),
        ({"prometheus": "there:9090"}, ["prometheus_url", "no http or https URL"]),
        ({"artifacts": ""}, ["artifacts", "no text"]),
        ({"prometheus_ca_file": "/nowhere"}, ["prometheus_ca_file", "is no file"]),
    ],
)
def test_what_cannot_be_understood_is_refused_with_field_value_and_remedy(
    flags: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_bad_settings_are_one_line_on_stderr_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecaster", "--history-hours", "0"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "history_hours" in line


def test_a_folder_that_cannot_be_written_is_bad_settings_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["forecaster", "--artifacts", str(tmp_path / "file" / "folder"), "--listen", "127.0.0.1:0"]) == 2
    assert "artifacts" in capsys.readouterr().err
