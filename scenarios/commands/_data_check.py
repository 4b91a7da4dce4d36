"""`gazeworld data check`: every image and every saliency map of a source, looked at once."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.training.interrupt import interruptible
from gazeworld.envs.files import DataError, expanded
from gazeworld.envs.validation import Options, SideOrOwn

from ._console import say
from ._data_bar import bar, command_of, rate
from ._data_saliency import images_of


@dataclass(frozen=True)
class CheckArguments(Options):
    """Look at every image of a source, and at every saliency map beside them; exit code 1 where something is wrong.

    Every file is asked for its size and time of change, every image is decoded, every map is read; checksums are
    compared where there are any. How much maps of different images correlate is told, too: above .995 they hardly
    depend on the image.
    """

    source: Annotated[str, tyro.conf.Positional]
    """a folder of images or a packed store of them, or SOURCE or SOURCE:DIR of any source of still images"""
    maps: str = ""
    """folder of saliency maps, or a .npy file of them (empty: those that came with the images, if any)"""
    splits: tuple[str, ...] = ("train", "test")
    """splits that are looked at"""
    root: str = ""
    """folder of the source, in place of SOURCE:DIR"""
    side: SideOrOwn = 0
    """pixels along the side that images are brought to (0: as the source has them)"""


def check(arguments: CheckArguments, console: Console) -> int:
    """`gazeworld data check`; returns the exit code: 0 all is well, 1 something is wrong, 130 stopped by Ctrl-C."""
    wrong = _store(arguments, console)
    for split in arguments.splits:
        try:
            wrong += _split(arguments, split, console)
        except DataError as error:
            say(console, f"{split}: {error}")
            wrong += 1
        except KeyboardInterrupt:
            say(console, f"stopped; to begin again: {command_of('check', arguments, 'source')}")
            return STOPPED
    say(console, f"{wrong} faults" if wrong else "no fault found")
    return 1 if wrong else 0


def _store(arguments: CheckArguments, console: Console) -> int:
    """Compare the checksums of a packed store, where that is what is looked at; how many files are wrong."""
    from gazeworld.agents.runs.own_data import source_of
    from gazeworld.envs.image_datasets.packed_images import is_store, verify_packed

    name, place = source_of(arguments.source, "saccade")
    out = Path(arguments.root or place)
    if name != "packed" or not is_store(out):
        return 0
    wrong = verify_packed(out)
    for sentence in wrong:
        say(console, sentence)
    return len(wrong)


def _split(arguments: CheckArguments, split: str, console: Console) -> int:
    """Look at a split and tell what was found; how much is wrong."""
    from gazeworld.envs.image_datasets.check_images import NAMED, check_split

    images = images_of(arguments.source, split, arguments.root, arguments.side)
    begun, now = time.monotonic(), ""
    with interruptible() as stop, bar(console, "looked at") as tell:

        def told(what: str, done: int, total: int) -> None:
            nonlocal begun, now
            begun, now = (time.monotonic(), what) if what != now else (begun, now)
            tell(done, total, f"{what}: {rate(done, time.monotonic() - begun, f'{what}/s')}")
            if stop.is_set():
                raise KeyboardInterrupt

        place = str(expanded(arguments.maps, "maps")) if arguments.maps else ""
        found = check_split(images, place, told)
    labelled = f"{len(images.classes)} classes" if images.classes and int(images.labels.max()) >= 0 else "no labels"
    mapped = f", {found.maps} saliency maps" if found.maps else ""
    alike = "" if found.correlation is None else f", of different images correlated by {found.correlation:.3f}"
    say(console, f"{split}: {found.images} images of {images.side} px, {labelled}{mapped}{alike}")
    for sentence in found.warnings:
        say(console, f"{split}: warning: {sentence}")
    for sentence in found.faults.named:
        say(console, f"{split}: {sentence}")
    if found.faults.count > NAMED:
        say(console, f"{split}: … {found.faults.count - NAMED} more faults")
    return found.faults.count
