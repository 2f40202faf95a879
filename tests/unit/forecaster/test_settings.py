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
        ({"artifacts": "s3://"}, ["artifacts", "names no place in a store", "s3://BUCKET/PREFIX"]),
        ({"artifacts": "://bucket"}, ["artifacts", "begins with no protocol"]),
        ({"artifacts": "simplecache::s3://bucket"}, ["artifacts", "begins with no protocol"]),
        ({"artifacts": "https://bucket.example.com/x"}, ["artifacts", "is of a web server"]),
        ({"artifacts": "s3://bucket/a?b=c"}, ["artifacts", "names no place in a store"]),
        ({"prometheus_ca_file": "/nowhere"}, ["prometheus_ca_file", "is no file"]),
    ],
)
def test_what_cannot_be_understood_is_refused_with_field_value_and_remedy(
    flags: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_credentials_in_a_url_are_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError, match=r"holds credentials, got 's3://…@bucket/x'.*in the environment") as caught:
        load_settings({"artifacts": "s3://key:secret@bucket/x"})
    assert "secret" not in str(caught.value)


def test_artifacts_are_a_folder_or_a_store_with_a_working_copy() -> None:
    folder = load_settings({"artifacts": "/var/lib/foresail"})
    assert (folder.store_url, folder.folder) == (None, Path("/var/lib/foresail"))
    store = load_settings({"artifacts": "s3://bucket/prefix", "working_copy": "/tmp/copy"})
    assert (store.store_url, store.folder) == ("s3://bucket/prefix", Path("/tmp/copy"))
    assert load_settings({"artifacts": "file:///mnt/store"}).folder == Path("artifacts")


def test_a_store_that_nothing_speaks_to_is_one_line_on_stderr_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--artifacts", "nope://bucket", "--working-copy", str(tmp_path), "--listen", "127.0.0.1:0"]
    assert main(["forecaster", *flags]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "Protocol not known: nope" in line


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
