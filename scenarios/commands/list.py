"""`gazeworld list`: everything on the shelves."""

from rich.console import Console
from rich.table import Table

from gazeworld.agents.runs import scenario
from gazeworld.envs import registry

SHELVES = {
    "worlds": "gazeworld.envs.worlds",
    "sources": "gazeworld.envs.sources",
    "policies": "gazeworld.agents.policies",
    "methods": "gazeworld.models.methods",
}


def show(console: Console) -> None:
    """Print scenarios with their first lines, and the names on the other shelves."""
    table = Table("scenario", "what it is", box=None, pad_edge=False)
    for name in scenario.names():
        base, _, variant = name.partition(":")
        table.add_row(f"  :{variant}" if variant else base, "" if variant else scenario.summary(base))
    console.print(table)
    console.print()
    for title, package in SHELVES.items():
        console.print(f"{title:9s} {', '.join(registry.names(package))}", highlight=False)
