from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foresail.domain.errors import SettingsError
from foresail.operator.settings import FIELDS, LIMITS, Settings, load_settings


def write(folder: Path, text: str) -> str:
    file = folder / "settings.yaml"
    file.write_text(text)
    return str(file)


def refusal(**flags: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags, environ={})
    return str(caught.value)


def test_without_anything_the_defaults_hold() -> None:
    assert load_settings({}, environ={}) == Settings()
    assert Settings().usd_per_replica_hour is None  # nobody is shown a price that nobody named


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    config = write(tmp_path, "cycle_seconds: 30\nprometheus: http://there:9090/\nlisten: '[::1]:9000'\n")
    settings = load_settings({"config": config, "cycle_seconds": 5.0, "listen": None}, environ={})
    assert (settings.cycle_seconds, settings.prometheus_url) == (5.0, "http://there:9090")
    assert (settings.listen_host, settings.listen_port) == ("::1", 9000)


def test_everything_can_be_set_in_the_file(tmp_path: Path) -> None:
    token = write(tmp_path, "secret")
    lines = {name: str(max(1.0, low)) for name, (low, _) in LIMITS.items()} | {
        "listen_port": "9000",
        "prometheus_max_bytes": "1.048576e+06",
        "history_step_seconds": "60",
        "prometheus_headers": "{X-Scope-OrgID: tenant}",
        "prometheus_url": "https://there",
        "forecaster_url": "http://there:8090",
        "namespace": "prod",
        "lease_namespace": "ops",
        "listen_host": "0.0.0.0",
        **dict.fromkeys(("kubeconfig", "prometheus_bearer_token_file", "prometheus_ca_file"), token),
    }
    assert lines.keys() == FIELDS
    config = tmp_path / "all.yaml"
    config.write_text("".join(f"{name}: {value}\n" for name, value in lines.items()))
    settings = load_settings({"config": str(config)}, environ={})
    assert settings.prometheus_max_bytes == 2**20
    assert settings.prometheus_headers == {"X-Scope-OrgID": "tenant"}


@pytest.mark.parametrize(
    ("flags", "environ", "expected"),
    [
        ({"lease_namespace": "ops", "namespace": "prod"}, {"POD_NAMESPACE": "pod"}, "ops"),
        ({"namespace": "prod"}, {"POD_NAMESPACE": "pod"}, "pod"),
        ({"namespace": "prod"}, {}, "prod"),
        ({}, {}, "default"),
    ],
)
def test_the_lease_is_kept_where_the_operator_lives(
    flags: dict[str, str], environ: dict[str, str], expected: str
) -> None:
    assert load_settings(flags, environ=environ).lease_namespace == expected


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"cycle_second": 3}, ["cycle_second", "is not a setting", "did you mean cycle_seconds?"]),
        ({"cycle_seconds": "15"}, ["cycle_seconds", "'15'", "is no number", "without quotes"]),
        ({"cycle_seconds": True}, ["cycle_seconds", "True"]),
        ({"cycle_seconds": float("nan")}, ["cycle_seconds", "nan"]),
        ({"cycle_seconds": 0}, ["is out of range", "got 0;", "from 1 to 3600"]),
        ({"usd_per_replica_hour": 0}, ["is out of range", "got 0;", "from 0.0001 to 1e+06"]),
        ({"listen_port": 80.5}, ["listen_port", "whole number"]),
        ({"listen": "8080"}, ["listen", "host:port", "127.0.0.1:8080"]),
        ({"listen": "here:99999"}, ["listen_port", "99999"]),
        ({"prometheus": "there:9090"}, ["prometheus_url", "http or https URL", "there:9090"]),
        ({"prometheus": "ftp://there"}, ["prometheus_url", "ftp://there"]),
        ({"prometheus": "http://there:x"}, ["prometheus_url", "is no URL"]),
        ({"prometheus": "http://there/?x=1"}, ["query or fragment"]),
        ({"prometheus": 3}, ["prometheus_url", "is no text"]),
        ({"forecaster": "there:8090"}, ["forecaster_url", "http or https URL", "http://foresail-forecaster:8090"]),
        ({"forecaster_deadline_seconds": 0}, ["forecaster_deadline_seconds", "is out of range"]),
        ({"namespace": "a\nb"}, ["namespace", "one line"]),
        ({"namespace": ""}, ["namespace"]),
        ({"kubeconfig": "/nowhere"}, ["kubeconfig", "is no file", "/nowhere"]),
        ({"prometheus_headers": "a"}, ["prometheus_headers", "is no mapping"]),
        ({"history_hours": 1000.0, "history_step_seconds": 1.0}, ["history_step_seconds", "choose at least 180"]),
        ({"config": "/nowhere.yaml"}, ["/nowhere.yaml", "cannot be read"]),
    ],
)
def test_what_cannot_be_understood_is_refused_with_field_value_and_remedy(
    flags: dict[str, Any], words: list[str]
) -> None:
    message = refusal(**flags)
    assert all(word in message for word in words), message


def test_credentials_in_the_url_are_refused_and_not_repeated() -> None:
    message = refusal(prometheus="http://me:hunter2@there:9090")
    assert "token file" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("text", "word"), [("a: [", "is not YAML"), ("- a\n", "is no mapping"), ("1: 2\n", "is not a setting")]
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, word: str) -> None:
    config = write(tmp_path, text)
    message = refusal(config=config)
    assert config in message
    assert word in message


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_settings({"config": write(tmp_path, "# nothing\n")}, environ={}) == Settings()
