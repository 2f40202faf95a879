from __future__ import annotations

import socket
from pathlib import Path

import pytest

from foresail.cli.main import main


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (["--prometheus", "ftp://prometheus"], "prometheus"),
        (["--listen", "nowhere"], "listen"),
        (["--cycle-seconds", "0.1"], "cycle_seconds"),
        (["--kubeconfig", "/nowhere"], "kubeconfig"),
        (["--config", "/nowhere"], "file"),
    ],
)
def test_bad_settings_are_one_line_on_stderr_and_exit_2(
    flags: list[str], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["operator", *flags]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.strip().splitlines()
    assert field in line
    assert "got " in line


def test_an_address_in_use_is_bad_settings_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["operator", "--kubeconfig", str(kubeconfig), "--listen", f"127.0.0.1:{port}"]) == 2
    assert "--listen" in capsys.readouterr().err
