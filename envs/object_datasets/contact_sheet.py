"""Contact sheets: a few views of a few objects of every class, to be looked at before anything is trained on them."""

import io
import os
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ..files import DataError, write_bytes
from ..objects import splits

_GAP = 4  # pixels between objects
_PAPER, _INK = (250, 250, 250), (20, 20, 20)


def contact_sheet(root: Path, out: Path, objects: int = 3, views: int = 4, size: int = 96) -> Path:
    """Write a PNG with a row for every class of a tree in 3DIEBench's layout, and return its path.

    A row has the class's name and how many objects it has, then up to `objects` objects, a random choice that is
    always the same, with their first `views` views at `size` pixels. Raises DataError where there is no object or an
    image cannot be read.
    """
    for name, value in (("objects", objects), ("views", views), ("size", size)):
        if value < 1:
            raise ValueError(f"{name} is {value}, expected at least 1")
    classes = {name: _folders(root / name) for name in _folders(root)}
    classes = {name: members for name, members in classes.items() if members}
    if not classes:
        raise DataError(f"{root}: no object found, expected <class>/<object>/image_0.jpg")
    font = ImageFont.load_default(max(10, size // 5))
    titles = {name: f"{name}\n{len(members)}" for name, members in classes.items()}
    margin = 2 * _GAP + max(round(max(font.getlength(line) for line in title.split("\n"))) for title in titles.values())
    across = min(objects, max(len(members) for members in classes.values()))
    step = views * size + _GAP
    page = Image.new("RGB", (margin + across * step, len(classes) * (size + _GAP) + _GAP), _PAPER)
    draw = ImageDraw.Draw(page)
    for row, (name, members) in enumerate(classes.items()):
        top = _GAP + row * (size + _GAP)
        draw.multiline_text((_GAP, top + size // 8), titles[name], fill=_INK, font=font)
        for column, key in enumerate(splits.ranked(f"{name}/{member}" for member in members)[:objects]):
            for view in range(views):
                path = root / key / f"image_{view}.jpg"
                if path.is_file():
                    page.paste(_thumbnail(path, size), (margin + column * step + view * size, top))
                elif view == 0:
                    raise DataError(f"{path}: no such file, expected the first view of an object")
    data = io.BytesIO()
    page.save(data, "PNG", optimize=True)
    write_bytes(out, data.getvalue())
    return out


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, expected one with a folder for each class")
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))


def _thumbnail(path: Path, size: int) -> Image.Image:
    try:
        with Image.open(path) as file:
            return file.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be decoded ({error}), expected a whole image") from error
