"""`gazeworld list`: scenarios, worlds, sources, policies, priors of fixations and methods."""

from rich.console import Console
from rich.table import Table

from gazeworld.envs import registry

from . import _catalogue
from ._console import fail

REGISTRIES = {
    "worlds": "gazeworld.envs.worlds",
    "sources": "gazeworld.envs.sources",
    "policies": "gazeworld.agents.policies",
    "priors": "gazeworld.envs.priors",
    "methods": "gazeworld.models.methods",
}


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    if words and words[0] not in ("-h", "--help"):
        return fail(f"list takes no argument, found {words[0]!r}")
    if words:
        print("usage: gazeworld list\n\nScenarios with their variants, worlds, sources, policies, priors and methods.")
        return 0
    show(Console())
    return 0


def show(console: Console) -> None:
    """Print scenarios with their first lines, and the names in the registries."""
    table = Table("scenario", "what it is", box=None, pad_edge=False)
    for name in _catalogue.names():
        base, _, variant = name.partition(":")
        table.add_row(f"  :{variant}" if variant else base, "" if variant else _catalogue.summary(base))
    console.print(table)
    console.print()
    for title, package in REGISTRIES.items():
        console.print(f"{title:9s} {', '.join(registry.names(package))}", highlight=False)
