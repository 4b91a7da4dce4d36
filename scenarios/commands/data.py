"""`gazeworld data …`: views of 3-D models drawn and packed, published data sets fetched, streams recorded."""

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from annotated_types import Interval
from rich.console import Console
from rich.markup import escape

from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.training.interrupt import interruptible
from gazeworld.envs.downloads import DataSetName
from gazeworld.envs.files import expanded, located
from gazeworld.envs.validation import Options, Seed

from . import _data_check, _data_recording, _data_saliency
from ._arguments import Size, parsed
from ._console import fail, say
from ._data_bar import bar, command_of, rate, shard_of
from ._data_pack import PackArguments, pack
from ._places import Folder

if TYPE_CHECKING:
    from gazeworld.envs.meshes.mesh import Item
    from gazeworld.envs.object_datasets.render_tree import Report, StudioConfig

SHEET = "contact_sheet.png"
_SOLIDS = 50  # solids per family where no limit is given
_NAMED = 10  # failures named on the terminal; report.json has all

Angle = Annotated[float, Interval(ge=-2 * math.pi, le=2 * math.pi)]
"""Radians, within a whole turn to either side."""


@dataclass(frozen=True)
class RenderArguments(Options):
    """Draw views of 3-D models to 3DIEBench's folder layout; run again to go on after an interruption."""

    out: Folder
    """folder of the set: OUT/class/object/image_0.jpg, latent_0.npy …"""
    source: str = "furniture"
    """furniture (Sweet Home 3D's, as installed), solids (generated), or a folder of meshes or of .sh3f archives"""
    up: Literal["", "y", "z"] = ""
    """axis that points upwards in a folder's meshes (empty: y in OBJ and glTF files, z in others)"""
    size: Size = 128
    """pixels per side (3DIEBench: 256, reduced to 128 for experiments)"""
    views: Annotated[int, Interval(ge=1, le=2**16)] = 50
    """views per object"""
    region: Literal["paper", "ood", "turntable", "behind", "so3", "held-out", "without-held-out"] = "paper"
    """rotations: each angle in ±pi/2; the paper's other box; about the vertical alone, within ±pi/2 or beyond; all;
    those near CENTRE; all others"""
    centre: tuple[Angle, Angle, Angle] = (0.0, 0.0, math.pi / 2)
    """middle of the region that is held out: yaw, pitch, roll in radians"""
    radius: Annotated[float, Interval(gt=0, lt=math.pi)] = math.pi / 3
    """geodesic radius of the region that is held out, in radians"""
    renderer: str = "auto"
    """auto (opengl where it works, else embree), opengl, embree or blender"""
    samples: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """samples per pixel (0: the renderer's own choice, 4, of blender 64)"""
    seed: Seed = 0
    """views are a function of the seed and the object's name, solids of the seed and their number"""
    quality: Annotated[int, Interval(ge=1, le=100)] = 95
    """JPEG quality"""
    shard: str = "0/1"
    """I/N draws the I-th of N parts, counted from 0; all parts write to the same OUT"""
    limit: Annotated[int, Interval(ge=0, le=2**16)] = 0
    """objects per class at most (0: all; of solids: 50)"""
    classes: tuple[str, ...] = ()
    """only these classes"""
    sheet: bool = True
    """write OUT/contact_sheet.png at the end"""


@dataclass(frozen=True)
class DownloadArguments(Options):
    """Fetch a published data set to where its source looks for it; run again to go on after an interruption."""

    name: Annotated[DataSetName, tyro.conf.Positional]
    """the set (salmap-stl10: the saliency maps of the paper's authors, from the Hugging Face hub)"""
    root: str = ""
    """folder for it, to be named as the source's root (empty: the cache folder, where sources look by themselves)"""
    yes: bool = False
    """fetch without asking, however large it is"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    kind = words[0] if words else "--help"
    if kind == "render":
        chosen = parsed(RenderArguments, words[1:], "gazeworld data render")
        return render(chosen, Console())
    if kind == "pack":
        packed = parsed(PackArguments, words[1:], "gazeworld data pack")
        return pack(packed, Console())
    if kind == "download":
        return download(parsed(DownloadArguments, words[1:], "gazeworld data download"), Console())
    if kind == "saliency":
        chosen_maps = parsed(_data_saliency.SaliencyArguments, words[1:], "gazeworld data saliency")
        return _data_saliency.saliency(chosen_maps, Console())
    if kind == "check":
        looked = parsed(_data_check.CheckArguments, words[1:], "gazeworld data check")
        return _data_check.check(looked, Console())
    if kind in ("record", "replay"):
        return (_data_recording.record if kind == "record" else _data_recording.replay)(words[1:])
    if kind in ("-h", "--help"):
        print("usage: gazeworld data render [OPTIONS]")
        print("       gazeworld data pack ROOT [OPTIONS]")
        print("       gazeworld data saliency SOURCE [OPTIONS]")
        print("       gazeworld data check SOURCE [OPTIONS]")
        print("       gazeworld data download NAME [OPTIONS]")
        print("       gazeworld data record SCENARIO [OPTIONS]")
        print("       gazeworld data replay DATASET")
        return 0 if words else 2
    return fail(f"unknown data command {kind!r}; there are: render, pack, saliency, check, download, record, replay")


def render(arguments: RenderArguments, console: Console) -> int:
    """`gazeworld data render`; returns the exit code: 0 done, 1 no object could be drawn, 130 stopped by Ctrl-C."""
    from gazeworld.envs.object_datasets import render_tree
    from gazeworld.envs.object_datasets.contact_sheet import contact_sheet
    from gazeworld.envs.objects import renderer as renderers
    from gazeworld.envs.objects import splits

    config = config_of(arguments)
    items = splits.select(collection(arguments), arguments.classes, arguments.limit)
    options = {"samples": arguments.samples} if arguments.samples else {}
    renderer = renderers.make_renderer(arguments.renderer, arguments.size, **options)
    try:
        part = f", of which this run draws shard {arguments.shard}" if config.shard[1] > 1 else ""
        say(console, f"{len(items)} objects{part}; renderer: {renderer.version}")
        with interruptible() as stop, bar(console) as tell:

            def progress(report: "Report") -> bool:
                tell(report.done, report.total, rate(report.views, report.seconds, "views/s"))
                return not stop.is_set()

            report = render_tree.render(items, arguments.out, config, renderer, progress)
    finally:
        renderer.close()
    _tell(report, arguments, console)
    if not report.finished:
        return STOPPED
    if report.failures and len(report.failures) == report.total:
        return 1
    if arguments.sheet and report.total:
        path = contact_sheet(arguments.out, arguments.out / SHEET)
        say(console, f"written: {path}")
    return 0


def config_of(arguments: RenderArguments) -> "StudioConfig":
    """What is to be rendered. Raises ValueError naming an argument that is impossible."""
    from gazeworld.envs.object_datasets.render_tree import StudioConfig
    from gazeworld.envs.objects.rotations import Region

    if arguments.limit < 0:
        raise ValueError(f"limit is {arguments.limit}, expected 0 or more")
    return StudioConfig(
        size=arguments.size,
        views=arguments.views,
        region=Region(arguments.region, arguments.centre, arguments.radius),
        seed=arguments.seed,
        quality=arguments.quality,
        source=_origin(arguments),
        shard=shard_of(arguments.shard),
    )


def _origin(arguments: RenderArguments) -> str:
    """What the set says about where its objects come from."""
    if arguments.source in ("furniture", "solids"):
        return arguments.source
    place = str(located(arguments.source, "source"))
    return f"{place}, {arguments.up} up" if arguments.up else place


def collection(arguments: RenderArguments) -> "list[Item]":
    """The objects that the arguments speak of, before classes and limit are chosen."""
    from gazeworld.envs.meshes import furniture, mesh_files, solids

    if arguments.source == "furniture":
        return furniture.walk()
    if arguments.source == "solids":
        return solids.items(arguments.limit or _SOLIDS, arguments.seed)
    place = expanded(arguments.source, "source")
    if not place.exists():
        raise ValueError(
            f"source {arguments.source!r}: expected furniture, solids or a folder, found none of that name"
        )
    if place.suffix == ".sh3f" or any(place.glob("*.sh3f")):
        return furniture.walk(place)
    return mesh_files.walk(place, arguments.up)


def download(arguments: DownloadArguments, console: Console) -> int:
    """`gazeworld data download`; returns the exit code: 0 there, 1 nobody agreed, 130 stopped by Ctrl-C."""
    from gazeworld.envs import downloads

    def agree(question: str) -> bool:
        if arguments.yes or not console.is_terminal:
            say(console, question)
            return arguments.yes
        return console.input(f"{escape(question)}? (y/n) ").strip().lower() in ("y", "yes")

    started = time.monotonic()
    try:
        with bar(console, "MB") as tell:

            def progress(name: str, done: int, total: int) -> None:
                del name
                tell(done // 10**6, total // 10**6, rate(done // 10**6, time.monotonic() - started, "MB/s"))

            place = downloads.download(arguments.name, arguments.root, agree=agree, tell=progress)
    except KeyboardInterrupt:
        say(console, f"stopped; what is there is kept; to go on: {command_of('download', arguments, 'name')}")
        return STOPPED
    if place is None:
        again = dataclasses.replace(arguments, yes=True)
        say(console, f"nothing was fetched; to fetch it: {command_of('download', again, 'name')}")
        return 1
    say(console, f"there: {place}")
    return 0


def _tell(report: "Report", arguments: RenderArguments, console: Console) -> None:
    """What has been done, what could not be, and how to go on."""
    say(
        console,
        f"{report.drawn} objects drawn: {report.views} views in {report.seconds:.1f} s"
        f" ({rate(report.views, report.seconds, 'views/s')}); {report.kept} were there already",
    )
    if report.failures:
        say(console, f"{len(report.failures)} objects could not be drawn:")
        for failure in report.failures[:_NAMED]:
            say(console, f"  {failure.key}: {failure.reason}")
        more = len(report.failures) - _NAMED
        say(console, f"  {f'… {more} more, ' if more > 0 else ''}all named in {arguments.out / 'report.json'}")
    if not report.finished:
        again = command_of("render", arguments)
        say(console, f"stopped after {report.done} of {report.total} objects; to go on: {again}")
