"""Answers for people: tables and sentences as text, in colour for a terminal."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

WIDTH = 110


def rendered(*parts: RenderableType, color: bool = False, width: int = WIDTH) -> str:
    """The parts one below the other, without spaces at the end of a line and lines at the end."""
    written = io.StringIO()
    console = Console(file=written, width=width, force_terminal=color, no_color=not color, highlight=False)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in written.getvalue().rstrip().splitlines())
