"""`gazeworld export RUN DIR`: a trained model as a folder for others, or with --push on the Hugging Face hub."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.markup import escape

from gazeworld.envs.validation import Options

from ._arguments import parsed
from ._console import fail, say
from ._places import Folder


@dataclass(frozen=True)
class ExportArguments(Options):
    """Write a trained model with its card into a folder that `gazeworld.agents.from_pretrained` loads anywhere."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """folder of a run, of one of its checkpoints (RUN/checkpoints/step-…) or of a policy (RUN/policies/NAME)"""
    out: Annotated[Folder | None, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = None
    """new folder to write (none is needed with --push)"""
    push: str = ""
    """USER/NAME on the Hugging Face hub to upload to (needs the extra `hub`, and a token: hf auth login)"""
    private: bool = False
    """make it private where --push makes it"""
    licence: str = ""
    """licence of the data, as cc-by-4.0 (empty: what the source says of itself, or unknown)"""
    yes: bool = False
    """write and upload without asking, however large it is"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(ExportArguments, words, "gazeworld export")
    if chosen.out is None and not chosen.push:
        return fail("nowhere to export to: expected a folder after RUN, or --push USER/NAME")
    if chosen.private and not chosen.push:
        return fail("--private is of what --push makes on the hub, and there is no --push")
    from gazeworld.agents.runs import hub
    from gazeworld.agents.runs.export_run import export, push

    console = Console()
    if chosen.push:
        hub.require_id(chosen.push)
    agree, source = _agree(chosen, console), chosen.run
    if chosen.out is not None:
        found = export(chosen.run, chosen.out, name=chosen.push, licence=chosen.licence, agree=agree)
        say(console, f"written: {found}")
        if not found.probed:
            say(console, "its card has no numbers: the run is not probed at this step (gazeworld evaluate)")
        source, chosen = found.folder, dataclasses.replace(chosen, licence="")
    if chosen.push:
        address = push(source, chosen.push, private=chosen.private, licence=chosen.licence, agree=agree)
        say(console, f"uploaded: {address}")
    return 0


def _agree(chosen: ExportArguments, console: Console) -> Callable[[str], bool]:
    def agree(question: str) -> bool:
        if chosen.yes or not console.is_terminal:
            return chosen.yes
        return console.input(f"{escape(question)}? (y/n) ").strip().lower() in ("y", "yes")

    return agree
