"""`gazeworld data saliency`: maps of a whole source by a prior, computed once and stored."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from annotated_types import Interval
from rich.console import Console

from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.training.interrupt import interruptible
from gazeworld.envs.validation import Options, SideOrOwn

from ._console import say
from ._data_bar import bar, command_of, rate, shard_of
from ._places import Folder
from ._words import spec

if TYPE_CHECKING:
    from gazeworld.envs.image_datasets.compute_maps import MapJob, Tally
    from gazeworld.envs.images import StillImages


@dataclass(frozen=True)
class SaliencyArguments(Options):
    """Compute the saliency maps of a whole source by a prior and store them; run again to go on after an interruption.

    A kill costs the batch in hand; what is whole is not computed again, and the files end with the same bytes. Worlds
    read them with `--world.maps OUT` and `--world.saliency precomputed`.
    """

    source: Annotated[str, tyro.conf.Positional]
    """a folder of images, or SOURCE or SOURCE:DIR of any source of still images"""
    out: Folder
    """folder of the maps: OUT/SPLIT/maps.json and files beside it"""
    model: Annotated[str, tyro.conf.arg(metavar="SPEC")]
    """the prior, NAME or NAME:KEY=VALUE,KEY=VALUE: image-signature, contrast, deepgaze2e …, or MODULE:CLASS"""
    weights: str = ""
    """file of the prior's weights, where it has any (its option `weights`)"""
    split: str = "train"
    """split of the source"""
    root: str = ""
    """folder of the source, in place of SOURCE:DIR"""
    side: SideOrOwn = 0
    """pixels along the side that images are brought to (0: as the source has them)"""
    format: Literal["compact", "stl10", "imagenet"] = "compact"
    """compact: one byte a pixel, at most 224 px a side, within .019 of the map (total variation); stl10: float32 at the
    images' side in one array; imagenet: float32 at each image file's own size, in a file for each"""
    batch: Annotated[int, Interval(ge=1, le=2**14)] = 32
    """images at a time"""
    device: str = "auto"
    """cpu, cuda … (auto: cuda where there is one)"""
    shard: str = "0/1"
    """I/N computes the I-th of N parts, counted from 0; all write to the same OUT, and the last one puts the
    set together"""
    merge: bool = False
    """compute nothing: put together the parts that lie in OUT, wherever they were computed; gaps are refused"""


def saliency(arguments: SaliencyArguments, console: Console) -> int:
    """`gazeworld data saliency`; returns the exit code: 0 done, 130 stopped by Ctrl-C."""
    from gazeworld.envs.image_datasets.compute_maps import compute_maps, merge_maps

    shard, job = shard_of(arguments.shard), job_of(arguments)
    begun = time.monotonic()
    made = 0
    if arguments.merge:
        merge_maps(job)
    else:
        with interruptible() as stop, bar(console, "maps") as tell:

            def told(tally: "Tally") -> None:
                nonlocal made
                made = tally.made
                tell(tally.done, tally.total, rate(tally.made, time.monotonic() - begun, "maps/s"))
                if stop.is_set():
                    raise KeyboardInterrupt

            try:
                whole = compute_maps(job, shard, told)
            except KeyboardInterrupt:
                say(console, f"stopped; what is computed is kept; to go on: {_again(arguments)}")
                return STOPPED
        seconds = time.monotonic() - begun
        say(console, f"{made} maps computed in {seconds:.1f} s ({rate(made, seconds, 'maps/s')})")
        if not whole:
            say(console, f"shard {arguments.shard} is whole; the last shard to be finished puts the set together")
            return 0
    size = sum(path.stat().st_size for path in job.folder.rglob("*") if path.is_file())
    say(console, f"written: {job.folder}: {len(job.images)} maps by {job.kind}, {size / 1e6:.1f} MB")
    return 0


def _again(arguments: SaliencyArguments) -> str:
    return command_of("saliency", arguments, "source")


def job_of(arguments: SaliencyArguments) -> "MapJob":
    """What is to be computed. Raises one sentence for a source, a split or a prior that cannot be had."""
    import torch

    from gazeworld.envs.image_datasets.compute_maps import MapJob
    from gazeworld.envs.prior import PRIORS, make_prior
    from gazeworld.envs.world import device_of

    options = spec(arguments.model, "model", PRIORS)
    if arguments.weights:
        options["weights"] = arguments.weights
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    device = device_of(auto if arguments.device == "auto" else arguments.device)
    name = options.pop("name")
    prior = make_prior(name, **options)
    images = images_of(arguments.source, arguments.split, arguments.root, arguments.side)
    return MapJob(images, prior, name, arguments.out, arguments.format, arguments.batch, device)


def images_of(source: str, split: str, root: str = "", side: int = 0) -> "StillImages":
    """Still images as a command names them. Raises one sentence for what is none."""
    from gazeworld.agents.runs.own_data import source_of
    from gazeworld.envs.images import StillImages, load_source

    name, place = source_of(source, "saccade")
    options: dict[str, Any] = {"side": side} if side else {}
    found = load_source(name, split, root or place, **options)
    if not isinstance(found, StillImages):
        raise ValueError(f"{source}: holds objects, expected still images")
    return found
