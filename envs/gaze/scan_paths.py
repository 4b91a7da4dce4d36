"""People's scan paths on the images of a split: what a file holds, brought to the squares that models look at."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from ..files import DataError, expanded
from ..image_files import Named
from ..images import StillImages
from .coco_files import read_coco
from .csv_files import read_csv
from .recorded import COCO_SCREEN, FORMS, FixationOptions, RecordedPath, Size, on_image

_SOME = 3  # names that a message shows


@dataclass(frozen=True)
class ScanPath:
    """One observer's fixations on one image of a split.

    `poses` are (row, col) in units of the image side, in [0, 1). `durations` are milliseconds, NaN where not known.
    """

    image: int
    subject: str
    poses: Float64[np.ndarray, "k 2"]
    durations: Float64[np.ndarray, " k"]
    task: str = ""


@dataclass(frozen=True)
class HumanGaze:
    """Scan paths of people on the images of a split, each of two fixations or more; and what was left out, counted."""

    paths: tuple[ScanPath, ...]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def images(self) -> tuple[int, ...]:
        """The images that somebody looked at, ascending."""
        return tuple(sorted({path.image for path in self.paths}))

    @property
    def subjects(self) -> tuple[str, ...]:
        """The observers."""
        return tuple(sorted({path.subject for path in self.paths}))


def human_gaze(path: str | Path, images: StillImages, options: FixationOptions | None = None) -> HumanGaze:
    """The scan paths of a file on the images of a split.

    Images are found by the names of their files (the path below the root, or its last part), or, of a source without
    files, by their numbers. Points are brought to the square by what was done to the image; those outside of it are
    dropped and counted, and a path goes on with the next. Raises DataError for a bad file, for fixations on unknown
    images, and where nothing is left.
    """
    options, file = options or FixationOptions(), expanded(path, "fixations")
    recorded, screen = _read(file, options.screen)
    chosen = [one for one in recorded if options.task in ("", one.task) and options.part in ("", one.split)]
    if not chosen:
        raise DataError(f"{file}: {_missing(recorded, options)}")
    index = _indices(file, chosen, images, options.unknown)
    counts = Counter(
        {"fixations in the file": sum(len(one.points) for one in chosen), "paths in the file": len(chosen)}
    )
    paths = []
    for one in chosen:
        if (image := index[one.image, one.task]) is None:
            counts["on unknown images"] += len(one.points)
            continue
        placed = _placed(one, image, images, screen, options, counts)
        if len(placed.poses) > 1:
            paths.append(placed)
        else:
            counts["paths of less than two fixations"] += 1
    if not paths:
        raise DataError(f"{file}: no path with two fixations or more within the images ({_said(counts)})")
    return HumanGaze(tuple(paths), dict(counts))


def _read(file: Path, screen: str) -> tuple[list[RecordedPath], Size | None]:
    """What a file holds, and the screen that its pixels are of (None: the image files)."""
    ending = file.suffix.lower()
    if ending not in (".csv", ".tsv", ".txt", ".json"):
        raise DataError(f"{file}: ends in {ending or 'nothing'!r}, expected {FORMS}")
    found = read_coco(file) if ending == ".json" else read_csv(file)
    usual = COCO_SCREEN if ending == ".json" else None
    return found, usual if not screen else None if screen == "image" else Size.parsed(screen)


def _missing(recorded: list[RecordedPath], options: FixationOptions) -> str:
    """Why nothing is left of a file."""
    tasks, splits = (sorted({getattr(one, name) for one in recorded} - {""}) for name in ("task", "split"))
    asked, there = (options.task, tasks) if options.task and options.task not in tasks else (options.part, splits)
    what = "task" if there is tasks else "split"
    return f"no fixations of {what} {asked!r}; there are: {', '.join(there[:20]) or f'none with a {what}'}"


def _indices(
    file: Path, recorded: list[RecordedPath], images: StillImages, unknown: str
) -> dict[tuple[str, str], int | None]:
    """The number of every image that is named. Raises DataError for unknown ones, unless they are to be dropped."""
    found: dict[tuple[str, str], int | None] = {}
    named = None if images.files is None else Named(images.files.names)
    for one in recorded:
        key = (one.image, one.task)
        if key in found:
            continue
        try:
            found[key] = _numbered(one.image, len(images)) if named is None else named.find(one.image, one.task)
        except DataError as error:
            raise DataError(f"{file}, {one.where}: {error}") from error
    lost = sorted({name for (name, _), index in found.items() if index is None})
    if lost and (unknown == "refuse" or len(lost) == len({name for name, _ in found})):
        first = next(one.where for one in recorded if one.image == lost[0])
        some = ", ".join(map(repr, lost[:_SOME])) + (" …" if len(lost) > _SOME else "")
        raise DataError(
            f"{file}, {first}: fixations of {len(lost)} unknown images ({some}); expected {_expected(images)}"
        )
    return found


def _expected(images: StillImages) -> str:
    where = f"{images.name}/{images.split}"
    if images.files is None:
        return f"numbers from 0 to {len(images) - 1}: the images of {where} have no names"
    some = ", ".join(repr(images.files.names[i]) for i in range(min(_SOME, len(images))))
    return f"names of the {len(images)} images of {where}, as {some}"


def _numbered(name: str, size: int) -> int | None:
    """The image that a number stands for, None where it stands for none."""
    return int(name) if name.isascii() and name.isdecimal() and len(name) < 12 and int(name) < size else None


def _placed(
    one: RecordedPath,
    image: int,
    images: StillImages,
    screen: Size | None,
    options: FixationOptions,
    counts: Counter[str],
) -> ScanPath:
    """A path on the square image; what lies outside is left out and counted."""
    points = one.points - options.first_pixel
    files = images.files
    if screen is not None:
        points = on_image(points, screen, (images.side, images.side) if files is None else files.size(image))
    poses = points[:, ::-1] / images.side if files is None else files.places(image, points)
    rows, columns = poses[:, 0], poses[:, 1]
    keep = (rows >= 0) & (rows < 1) & (columns >= 0) & (columns < 1)
    if options.initial == "drop":
        counts["initial fixations dropped"] += 1
        keep, poses = keep[1:], poses[1:]
        durations = one.durations[1:][keep]
    else:
        durations = one.durations[keep]
    counts["outside the image"] += int((~keep).sum())
    return ScanPath(image, one.subject, np.ascontiguousarray(poses[keep]), durations, one.task)


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{what}: {number}" for what, number in counts.items())
