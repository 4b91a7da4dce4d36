"""`gazeworld evaluate RUN`: probe a run by the protocol of its scenario."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from gazeworld.agents.config import ProbeConfig
from gazeworld.envs.validation import Options

from ._arguments import parsed


@dataclass(frozen=True)
class EvaluateArguments(Options):
    """Probe a run: table on the terminal, RUN/probes.json, RUN/figures."""

    probe: ProbeConfig
    """protocol and budget (defaults: the run's scenario)"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    if not words or words[0].startswith("-"):
        print("usage: gazeworld evaluate RUN [OPTIONS]\n\nRUN is the folder of a run; options start as it was made.")
        return 0 if words else 2
    from gazeworld.agents.runs.scenario import open_run

    folder = Path(words[0])
    default = EvaluateArguments(open_run(folder).scenario.probe)
    chosen = parsed(EvaluateArguments, words[1:], f"gazeworld evaluate {folder}", default)
    from ._runs import probe

    return probe(folder, chosen.probe, chosen.device, Console())
