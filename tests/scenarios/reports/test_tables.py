"""Tables for people: whatever the width of the terminal, no number and no word is cut."""

from io import StringIO

import pytest
from rich.console import Console

from gazeworld.scenarios.reports.tables import new_table, put

NUMBERS = [f"{k}.25 [{k}.5, {k}.75]" for k in range(6)]


@pytest.mark.parametrize("width", range(20, 200, 3))
def test_no_number_and_no_word_of_a_table_is_cut(width: int) -> None:
    table = new_table("Title", "a caption", ("model", "answer"), [f"{k} ahead" for k in range(6)])
    table.add_row("untrained", "from the true views", *NUMBERS)
    console = Console(file=StringIO(), width=width)
    put(console, table)
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().splitlines()
    words = " ".join(lines).split()
    assert "…" not in " ".join(lines)
    assert {"untrained", "from", "true", "views", "0.25", "5.75]"} <= set(words)
    assert any(all(number in line for number in NUMBERS) for line in lines), "one row, one line of numbers"


def test_a_table_is_no_wider_than_it_must_be() -> None:
    console = Console(file=StringIO(), width=40)
    for _ in range(2):
        table = new_table("Title", "a caption", ("name",), ["one", "two"])
        table.add_row("a name of many words that wraps", "1.0", "2.0")
        put(console, table)
    assert isinstance(console.file, StringIO)
    assert max(map(len, console.file.getvalue().splitlines())) <= 40
