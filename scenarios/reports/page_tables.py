"""Tables as a page holds them: those that were made for the terminal, so that a page has all that it gets."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Head:
    """The head of a column, and whether numbers stand under it."""

    text: str
    number: bool


@dataclass(frozen=True)
class Cells:
    """A table as the template wants it; sections are what rules stand between."""

    title: str
    heads: tuple[Head, ...]
    sections: tuple[tuple[tuple[str, ...], ...], ...]
    caption: str


class _Kept(Console):
    """A console that keeps what it is given; nothing is printed."""

    def __init__(self) -> None:
        super().__init__(file=io.StringIO(), width=200)
        self.tables: list[Table] = []
        self.sentences: list[str] = []

    def print(self, *objects: Any, **options: Any) -> None:
        """Keep tables and sentences."""
        self.tables += [one for one in objects if isinstance(one, Table)]
        self.sentences += [one for one in objects if isinstance(one, str)]


@dataclass(frozen=True)
class Said:
    """What a function said on a console: tables and sentences."""

    tables: tuple[Cells, ...]
    sentences: tuple[str, ...]


def said(show: Callable[[Console], None]) -> Said:
    """What `show` prints on the console that it is given."""
    console = _Kept()
    show(console)
    return Said(tuple(map(cells, console.tables)), tuple(console.sentences))


def cells(table: Table) -> Cells:
    """The text of a table that was made for the terminal."""
    heads = tuple(Head(str(column.header), column.justify == "right") for column in table.columns)
    lines = list(zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True))
    sections: list[tuple[tuple[str, ...], ...]] = []
    current: list[tuple[str, ...]] = []
    for line, row in zip(lines, table.rows, strict=True):
        current.append(line)
        if row.end_section:
            sections.append(tuple(current))
            current = []
    if current:
        sections.append(tuple(current))
    return Cells(str(table.title or ""), heads, tuple(sections), str(table.caption or ""))
