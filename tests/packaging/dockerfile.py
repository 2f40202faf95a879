"""The Dockerfile as data: stages and their instructions, and a run of a stage's steps without a container."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    """One line, such as COPY and its arguments."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What follows one FROM."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Arguments of every instruction of a name."""
        return [instruction.arguments for instruction in self.instructions if instruction.name == name]


def read_stages(text: str) -> dict[str, Stage]:
    """The named stages, in order. Continued lines and here-documents are not used in ours."""
    stages: dict[str, Stage] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            match = re.fullmatch(r"(\S+) AS (\S+)", arguments)
            assert match, f"every stage has a name: {line}"
            stage = stages[match[2]] = Stage(match[2], match[1])
        elif name != "ARG":
            stage.instructions.append(Instruction(name, arguments))
    return stages


def sources_of(arguments: str) -> list[str]:
    """The files and folders that a COPY takes from the build's context; none when it copies from a stage."""
    return [] if arguments.startswith("--from=") else arguments.split()[:-1]


@dataclass(slots=True)
class Workshop:
    """A folder that stands in for a container's root: absolute paths of the Dockerfile lie below it."""

    root: Path
    context: Path
    environment: dict[str, str]
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.root

    def run(self, stage: Stage) -> None:
        """Do everything that a stage says."""
        for name, arguments in stage.instructions:
            if name == "ENV":
                key, _, value = arguments.partition("=")
                self.environment[key] = self.inside(value) if value.startswith("/") else value
            elif name == "WORKDIR":
                self.folder = Path(self.inside(arguments))
                self.folder.mkdir(parents=True)
            elif name == "COPY":
                self._copy(arguments)
            elif name == "RUN":
                self._shell(arguments)

    def inside(self, path: str) -> str:
        """An absolute path of the container, here."""
        return f"{self.root}{path}"

    def _copy(self, arguments: str) -> None:
        target = self.folder / arguments.rsplit(maxsplit=1)[-1]
        for source in sources_of(arguments):
            path = self.context / source
            if path.is_dir():
                # As a builder does: links stay links. Bytecode is ignored.
                shutil.copytree(path, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, target)

    def _shell(self, command: str) -> None:
        done = subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StepError(f"RUN {command}\n{done.stdout}{done.stderr}")


class StepError(Exception):
    """A RUN line failed; the message is what it said."""
