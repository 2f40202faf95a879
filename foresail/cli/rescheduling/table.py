"""The plan for people: what it is worth, its waves, what was left alone and why, and the sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from foresail.cli.rescheduling.answer import Answer
from foresail.cli.rescheduling.document import STDIN
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.verification.claim import Move
from foresail.cli.text import rendered

MOST_MOVES, MOST_REASONS = 60, 8  # rows; the rest is counted
TITLES = {
    "fragment_rate": "fragment rate",
    "free_slots": "free slots",
    "fragmented_gpus": "fragmented GPUs",
    "whole_free_nodes": "whole free nodes of 8 GPUs",
}
MACHINES = {"whole_free_nodes": "machines without VMs"}
LESS = {"fragmented_gpus"}  # is better
PROVEN = {
    "fragments": {"free_slots", "fragmented_gpus"},
    "whole-nodes": {"whole_free_nodes"},
    "fewest-moves": {"moves"},
}


def to_text(answer: Answer, *, color: bool = False) -> str:
    """Tables and a sentence, in color for a terminal."""
    return rendered(*_parts(answer), color=color)


def _parts(answer: Answer) -> Iterator[RenderableType]:
    yield _head(answer)
    yield _measures(answer)
    if answer.moves:
        yield Text()
        yield _waves(answer)
    if answer.skipped:
        yield Text()
        yield _skipped(answer)
    yield Text()
    yield Text(answer.message)


def _head(answer: Answer) -> Text:
    instance = answer.instance
    vms = isinstance(instance, VmInstance)
    names = ("machine", "VM") if vms else ("node", "pod")
    head = Text(f"{'standard input' if instance.source == STDIN else instance.source}: ")
    told, color = ("certified", "green") if answer.certified else ("not certified", "yellow")
    head.append(*(("refused", "bold red") if answer.refused else (told, f"bold {color}")))
    counted = zip((instance.nodes, instance.units), names, strict=True)
    counts = ", ".join(_counted(len(what), name) for what, name in counted)
    return head.append(f"; {counts}, {answer.cpu_seconds:.2f} CPU s\n")


def _measures(answer: Answer) -> Table:
    """Before, after, and what no plan can beat."""
    table = _table(f"Objective: {answer.objective}", "")
    for name in ("before", "after", "no plan can beat"):
        table.add_column(name, justify="right")
    names = TITLES | (MACHINES if isinstance(answer.instance, VmInstance) else {})
    for name, before in answer.before.items():
        values = (_shown(name, before), _shown(name, answer.after[name]))
        table.add_row(names[name], *values, "" if answer.price_per_move else _bound(answer, name))
        if answer.price_per_move and name in PROVEN[answer.objective]:
            table.add_row(*_with_price(answer, name), _bound(answer, name))
    table.add_row("moves", "", str(len(answer.moves)), _bound(answer, "moves"))
    return table


def _with_price(answer: Answer, name: str) -> tuple[str, str, str]:
    """A measure with the price of the moves, which is a loss: added where less is better."""
    paid = answer.price_per_move * len(answer.moves) * (1 if name in LESS else -1)
    title = f"{'with' if name in LESS else 'less'} {answer.price_per_move:g} a move"
    return title, _shown(name, answer.before[name]), _shown(name, answer.after[name] + paid)


def _bound(answer: Answer, name: str) -> str:
    if answer.bound is None or name not in PROVEN.get(answer.objective, ()):
        return ""
    return f"{answer.bound:,.2f}".removesuffix(".00")


def _waves(answer: Answer) -> Table:
    """A row a move; a wave begins when the one before has ended."""
    table = _table("Waves, one after another", "wave")
    for name in ("unit", "size", "from", "to", "NUMA node" if isinstance(answer.instance, VmInstance) else "cards"):
        table.add_column(name, justify="left", overflow="fold")
    size, home = _sizes(answer), dict(zip(answer.instance.units, answer.instance.homes.tolist(), strict=True))
    rows = [(wave, place) for wave, places in enumerate(answer.waves, start=1) for place in places]
    before = 0
    for wave, place in rows[:MOST_MOVES]:
        move = answer.moves[place]
        number = str(wave) if wave != before else ""
        source = answer.instance.nodes[home[move.unit]]
        cells = (number, move.unit, size[move.unit], source, move.to, _seat(move))
        table.add_row(*map(Text, cells))
        before = wave
    if len(rows) > MOST_MOVES:
        table.add_row("", f"and {len(rows) - MOST_MOVES} more in {rows[-1][0]} waves", "", "", "", "")
    return table


def _sizes(answer: Answer) -> dict[str, str]:
    """What each unit takes, by its name."""
    instance = answer.instance
    if isinstance(instance, VmInstance):
        columns = zip(instance.vms, instance.cpu.tolist(), instance.memory.tolist(), strict=True)
        return {name: f"{cpu} CPU, {memory:,} memory" for name, cpu, memory in columns}
    asks = instance.asks
    columns = zip(instance.pods, (asks.gpus * asks.milli).tolist(), asks.cpu.tolist(), strict=True)
    return {name: f"{milli / 1000:g} GPU, {cpu / 1000:g} CPU" for name, milli, cpu in columns}


def _seat(move: Move) -> str:
    if move.cards is not None:
        return ", ".join(map(str, move.cards)) or "-"
    return "both" if move.numa_node == -1 else str(move.numa_node)


def _skipped(answer: Answer) -> Table:
    """How many were left alone, by reason."""
    table = _table("Left alone", "why")
    table.add_column("units", justify="right")
    counts = Counter(reason for _, reason in answer.skipped)
    for reason, count in counts.most_common(MOST_REASONS):
        table.add_row(Text(reason), str(count))
    if len(counts) > MOST_REASONS:
        table.add_row("for other reasons", str(sum(count for _, count in counts.most_common()[MOST_REASONS:])))
    return table


def _shown(name: str, value: float) -> str:
    if name == "fragment_rate":
        return f"{100 * value:.2f} %"
    return f"{value:,.2f}" if isinstance(value, float) and not value.is_integer() else f"{value:,.0f}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
