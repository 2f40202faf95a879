"""The architecture as a test: who imports whom, what the core may not touch, and how large a file may be."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINKED = ("operator", "forecasting", "policies")  # beside foresail/, which has links to them


@dataclass(frozen=True, slots=True)
class Room:
    """What a part of the house may import: other rooms of Foresail, and packages from outside."""

    rooms: frozenset[str]
    packages: frozenset[str]


def room(rooms: str, packages: str) -> Room:
    return Room(frozenset(rooms.split()), frozenset(packages.split()))


EVERYTHING = "domain policies forecasting profiles forecaster simulator service operator sandbox cli"
# The table of docs/architecture.md. "foresail" is the package itself: its version.
ROOMS = {
    "domain": room("", "numpy"),
    "policies": room("domain", "numpy croniter"),
    "forecasting": room("domain", "numpy"),
    "profiles": room("domain policies", "numpy"),
    "simulator": room("domain policies forecasting", "numpy aiohttp kubernetes"),
    "service": room("domain policies foresail", "numpy fastapi prometheus_client"),
    "operator": room(
        "domain policies forecasting profiles service foresail",
        "numpy kopf kubernetes aiohttp prometheus_client uvicorn yaml croniter",
    ),
    "forecaster": room(
        "domain forecasting operator foresail",
        "numpy fastapi pydantic uvicorn prometheus_client prometheus_api_client",
    ),
    "sandbox": room("domain policies forecasting simulator operator foresail", "numpy aiohttp rich yaml kubernetes"),
    "cli": room(EVERYTHING + " foresail", "numpy rich aiohttp kubernetes yaml"),
    "foresail": room("", ""),
}
# Doors between rooms: of these, only the named modules are for others.
DOORS = {
    ("operator", "profiles"): {"foresail.profiles.predict"},
    ("operator", "forecasting"): {"foresail.forecasting.demand.serve"},
    ("forecaster", "operator"): {  # the past is read as the operator reads it, and so are settings
        "foresail.operator.observe.answers",
        "foresail.operator.observe.past",
        "foresail.operator.observe.queries",
        "foresail.operator.observe.scrapes",
        "foresail.operator.values",
    },
}
# Within a room, what only a part of it may import from outside: torch is in gigabytes, and one file knows the solver.
PARTS = {
    "foresail.policies.programs.highs": frozenset({"highspy"}),
    "foresail.forecasting.neural": frozenset({"torch", "pyro"}),
    "foresail.forecasting.artifact": frozenset({"safetensors"}),
    "foresail.forecaster.objects": frozenset({"fsspec", "obstore"}),
    "foresail.cli.plot": frozenset({"matplotlib"}),
    "foresail.cli.figures": frozenset({"matplotlib"}),
    "foresail.cli.allocation.plot": frozenset({"matplotlib"}),
    "foresail.cli.experts.plot": frozenset({"matplotlib"}),
    "foresail.cli.rescheduling.plot": frozenset({"matplotlib"}),
}
# Parts of a room that know nothing of each other.
STRANGERS = {
    "foresail.forecasting.demand.": "foresail.forecasting.series.",
    "foresail.forecasting.series.": "foresail.forecasting.demand.",
}
PURE = ("domain", "policies", "forecasting")
NETWORK = frozenset({"asyncio", "http", "requests", "signal", "socket", "ssl", "subprocess", "threading", "urllib"})
FILES = frozenset({"io", "logging", "os", "pathlib", "shutil", "sys", "tempfile"})
CHANCE = frozenset({"random", "secrets", "time", "uuid"})
IMPURE = NETWORK | FILES | CHANCE
CLOCKS = frozenset({"now", "utcnow", "today", "time_ns", "monotonic", "perf_counter"})
CLOCK_READERS = {"foresail.operator.clock"}  # the operator's one look at the real time


@dataclass(frozen=True, slots=True)
class Module:
    """A source file under its import name."""

    name: str
    path: Path

    @property
    def room(self) -> str:
        """The part of the house it lies in."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else "foresail"

    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return _parse(self.path)

    def imports(self, *, top_level_only: bool = False) -> Iterator[str]:
        """Full names of what it imports; `from x import y` is x.y when that is a module of ours, else x."""
        for node in self.tree().body if top_level_only else ast.walk(self.tree()):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in NAMES else node.module for name in inner)


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def source_modules() -> list[Module]:
    links = [ROOT / "foresail" / name for name in LINKED]
    own = [path for path in (ROOT / "foresail").rglob("*.py") if not any(map(path.is_relative_to, links))]
    found = {path: path.relative_to(ROOT) for path in own}
    for name in LINKED:
        found |= {path: Path("foresail") / path.relative_to(ROOT) for path in (ROOT / name).rglob("*.py")}
    return sorted(
        (
            Module(".".join(inside.with_suffix("").parts).removesuffix(".__init__"), path)
            for path, inside in found.items()
        ),
        key=lambda module: module.name,
    )


MODULES = source_modules()
NAMES = frozenset(module.name for module in MODULES)
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def room_of(name: str) -> str:
    return Module(name, Path()).room


@pytest.mark.parametrize("part", STRANGERS)
def test_parts_that_know_nothing_of_each_other_do_not_import_each_other(part: str) -> None:
    members = [module for module in MODULES if module.name.startswith(part)]
    assert len(members) > 10
    for module in members:
        assert not [name for name in module.imports() if name.startswith(STRANGERS[part])], module.name


def test_every_room_is_in_the_table() -> None:
    assert {module.room for module in MODULES} <= set(ROOMS)
    assert len(MODULES) > 50


@every_module
def test_a_module_imports_only_what_its_room_may(module: Module) -> None:
    allowed = ROOMS[module.room]

    for name in module.imports():
        top = name.split(".")[0]
        if top == "foresail":
            assert room_of(name) in {*allowed.rooms, module.room}, f"{module.room} may not import {name}"
            door = DOORS.get((module.room, room_of(name)))
            assert door is None or name in door, f"{module.room} may only import {door} of {room_of(name)}, not {name}"
        elif top not in sys.stdlib_module_names:
            assert top in allowed.packages | packages_of_part(module), f"{module.name} may not import {name}"


def packages_of_part(module: Module) -> frozenset[str]:
    parts = (packages for part, packages in PARTS.items() if f"{module.name}.".startswith(f"{part}."))
    return next(parts, frozenset())


@every_module
def test_torch_is_imported_only_when_it_is_needed(module: Module) -> None:
    """What leads to torch is imported within functions, but for the part of the house that is built on it."""
    if not module.name.startswith("foresail.forecasting.neural"):
        led = [name for name in module.imports(top_level_only=True) if name.startswith("foresail.forecasting.neural")]
        assert not led


@every_module
def test_imports_go_by_the_packages_name(module: Module) -> None:
    """A relative import, or one of a linked folder by its own name, would load a second copy of a module."""
    for node in ast.walk(module.tree()):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            assert (node.module or "").split(".")[0] not in {"policies", "forecasting"}, f"line {node.lineno}"
            assert not (node.module or "").startswith("operator."), f"line {node.lineno}"


@pytest.mark.parametrize(
    "module", [module for module in MODULES if module.room in PURE], ids=lambda module: module.name
)
def test_the_core_has_no_input_output_clock_or_chance(module: Module) -> None:
    for name in module.imports():
        assert name.split(".")[0] not in IMPURE, f"{module.name} imports {name}"
    for node in ast.walk(module.tree()):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in CLOCKS, f"line {node.lineno}: reads the clock; take `now` as an argument"
            unseeded = node.func.attr == "default_rng" and not node.args and not node.keywords
            assert not unseeded, f"line {node.lineno}: chance without a seed"
        if isinstance(node, ast.Name):
            assert node.id not in {"open", "print", "input"}, f"line {node.lineno}: {node.id} in the core"


@pytest.mark.parametrize(
    "module",
    [module for module in MODULES if module.room == "operator" and module.name not in CLOCK_READERS],
    ids=lambda module: module.name,
)
def test_the_operator_reads_the_wall_clock_in_one_place(module: Module) -> None:
    for node in ast.walk(module.tree()):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            read = ast.unparse(node.func)
            assert read not in {"time.time", "datetime.now", "datetime.utcnow"}, f"line {node.lineno}"


def test_there_are_no_import_cycles() -> None:
    graph = {module.name: {name for name in module.imports(top_level_only=True) if name in NAMES} for module in MODULES}

    while graph:  # take away what imports nothing that is left; a cycle never becomes free
        free = {name for name, needed in graph.items() if not needed & set(graph)}
        assert free, f"a cycle among {sorted(graph)}"
        graph = {name: needed for name, needed in graph.items() if name not in free}


def test_the_operators_folder_does_not_hide_the_standard_librarys_module() -> None:
    for name in LINKED:
        assert not (ROOT / name / "__init__.py").exists()
        assert (ROOT / "foresail" / name).resolve() == ROOT / name


@every_module
def test_a_file_is_one_idea_of_at_most_300_lines(module: Module) -> None:
    assert len(module.path.read_text(encoding="utf-8").splitlines()) <= 300
    assert module.path.stem not in {"utils", "helpers", "common", "base", "manager", "misc"}


@every_module
def test_functions_have_at_most_60_lines_and_catch_only_what_they_can_handle(module: Module) -> None:
    for node in ast.walk(module.tree()):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} is too long"
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            assert caught not in {"", "Exception", "BaseException"}, f"line {node.lineno}: catches everything"
