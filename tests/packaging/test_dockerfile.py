"""The Dockerfile: pinned, without root, without torch, and its steps really install the operator."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, missing
from tests.packaging.dockerfile import Stage, StepError, Workshop, read_stages, sources_of

TEXT = (ROOT / "Dockerfile").read_text()
STAGES = read_stages(TEXT)
NO_NETWORK = ("Temporary failure in name resolution", "Failed to establish a new connection", "dns error")


def test_there_are_two_images_and_the_operators_is_the_default() -> None:
    assert list(STAGES)[-1] == "operator"
    assert STAGES["operator"].base == STAGES["forecaster"].base == "runtime"
    assert STAGES["operator"].all("COPY") == ["--from=build /opt/foresail /opt/foresail"]


def test_the_base_is_pinned_by_version() -> None:
    default = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", TEXT, re.MULTILINE)

    assert default
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", default[1])
    bases = {stage.base for stage in STAGES.values()} - set(STAGES)
    assert bases == {"${PYTHON_IMAGE}"}


def test_uv_has_the_version_of_the_makefile() -> None:
    made = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert made
    assert f"uv=={made[1]}" in TEXT


def test_images_run_as_nobody_and_write_nothing() -> None:
    runtime = STAGES["runtime"]

    assert runtime.all("USER") == ["65532:65532"]
    assert "PYTHONDONTWRITEBYTECODE=1" in runtime.all("ENV")
    assert runtime.all("RUN") == STAGES["operator"].all("RUN") == []
    assert runtime.all("ENTRYPOINT") == ['["foresail"]']


def test_only_the_forecaster_has_torch() -> None:
    assert not any("train" in step for step in STAGES["build"].all("RUN"))
    assert any("--extra train" in step for step in STAGES["build-forecaster"].all("RUN"))


def test_everything_is_installed_from_the_lock_file() -> None:
    steps = [step for stage in STAGES.values() for step in stage.all("RUN") if "pip install" not in step]

    assert len(steps) == 3
    assert all(step.startswith("uv sync --frozen --no-dev") for step in steps)


def test_the_builder_sees_all_that_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    allowed = {pattern[1:] for pattern in patterns if pattern.startswith("!")}

    assert patterns[0] == "*"
    copied = {source for stage in STAGES.values() for entry in stage.all("COPY") for source in sources_of(entry)}
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the operator's build stage makes, in a fresh folder and from a fresh Python."""
    root = tmp_path_factory.mktemp("image")
    python = root / "python"
    subprocess.run([sys.executable, "-m", "venv", python], check=True)
    # The base image's Python; nothing of the test's own environment may be found.
    environment = {"PATH": f"{python / 'bin'}:/usr/bin:/bin", "VIRTUAL_ENV": "", "PYTHONPATH": ""}
    run_or_skip(Workshop(root, ROOT, environment), STAGES["build"])
    return root / "opt" / "foresail"


def run_or_skip(workshop: Workshop, stage: Stage) -> None:
    """Run the steps; a machine without a network is no mistake of the Dockerfile."""
    try:
        workshop.run(stage)
    except StepError as error:
        if any(sign in str(error) for sign in NO_NETWORK):
            missing("the steps of the Dockerfile need a package index")
        raise


def ask(installed: Path, code: str) -> str:
    """Run Python code in the installed environment, away from the checkout."""
    done = subprocess.run(
        [installed / "bin" / "python", "-c", code], cwd=installed, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_steps_install_a_command_that_helps(installed: Path) -> None:
    done = subprocess.run(
        [installed / "bin" / "foresail", "--help"], cwd=installed, env={}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "operator" in done.stdout


def test_the_steps_install_no_torch_and_no_tools_of_development(installed: Path) -> None:
    names = ("torch", "pyro", "pandas", "pytest", "mypy", "hypothesis")
    code = f"from importlib.util import find_spec; print([name for name in {names} if find_spec(name)])"

    assert ask(installed, code) == "[]"


def test_the_steps_install_the_code_itself_and_not_a_link_to_it(installed: Path) -> None:
    where = ask(installed, "import foresail.operator.main as module; print(module.__file__)")

    assert Path(where).is_relative_to(installed)


def test_bytecode_is_there_before_the_file_system_is_read_only(installed: Path) -> None:
    cached = ask(installed, "import foresail.domain.workload as m, os; print(os.path.exists(m.__cached__))")

    assert cached == "True"
