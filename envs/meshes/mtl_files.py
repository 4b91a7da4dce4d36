"""Material libraries of OBJ files (MTL): what surfaces look like."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from PIL import Image

from ..files import DataError
from .materials import Surface, linear, opened, textured
from .mesh import Material
from .polygon_files import decoded
from .referenced_files import Besides

_SHINY = 100  # specular exponents from which on a highlight has its full strength; lower ones are dull sheens
_NUMBERS = 3  # that an option of a texture takes at most
_WORDS = ("", "on", "off", "r", "g", "b", "m", "l", "z")  # that an option may take instead of numbers


@dataclass(frozen=True)
class Finish:
    """A material: as it looks, and as it looks where there are no texture coordinates.

    `scale` and `offset` are to be applied to texture coordinates.
    """

    surface: Surface = field(default_factory=Surface)
    plain: Surface = field(default_factory=Surface)
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class _Map:
    """A picture that a material names, with those of its options that matter here."""

    image: Image.Image
    scale: tuple[float, float]
    offset: tuple[float, float]


def finishes(libraries: Iterable[str], used: Collection[str], besides: Besides) -> dict[str, Finish]:
    """The materials that are `used`, out of those in libraries; names that no library knows are absent.

    Diffuse colours are taken as sRGB, as viewers show them. A texture takes the place of the diffuse colour, as in
    Blender's importer, with which 3DIEBench was made; its alpha channel, or `map_d`, says where it is solid. Raises
    DataError naming file and material for numbers that are none and for missing or damaged files (see `Besides`).
    """
    found: dict[str, dict[str, str]] = {}
    for reference in libraries:
        for data in _libraries(reference, besides):
            found |= _entries(data)
    pictures: dict[str, Image.Image | None] = {}
    return {name: _finish(name, found[name], besides, pictures) for name in used if name in found}


def _libraries(reference: str, besides: Besides) -> list[bytes]:
    """The files of a `mtllib` line: one whose name may hold spaces, or several."""
    several = reference.split()
    if len(several) > 1 and all(name.lower().endswith(".mtl") for name in several):
        return [data for name in several if (data := besides.find(name)) is not None]
    data = besides.find(reference)
    return [] if data is None else [data]


def _entries(data: bytes) -> dict[str, dict[str, str]]:
    """What a library says, by material and lower-case key."""
    found: dict[str, dict[str, str]] = {}
    entry: dict[str, str] = {}
    for line in decoded(data).split("\n"):
        key, _, rest = line.strip().replace("\t", " ").partition(" ")
        if key.lower() == "newmtl":
            entry = found.setdefault(rest.strip(), {})
        elif key and not key.startswith("#"):
            entry[key.lower()] = rest.strip()
    return found


def _finish(name: str, entry: dict[str, str], besides: Besides, pictures: dict[str, Image.Image | None]) -> Finish:
    where = f"{besides.name}: material {name!r}"
    diffuse = _numbers(entry.get("kd", "0.8"), where, "Kd")
    colour = (diffuse * 3 if len(diffuse) == 1 else diffuse)[:3]
    if len(colour) != 3:
        raise DataError(f"{where}: Kd has {len(diffuse)} numbers, expected 3")
    shine = _numbers(entry.get("ks", "0"), where, "Ks")
    exponent = _numbers(entry.get("ns", "0"), where, "Ns")[0]
    dull = entry.get("illum", "2") in ("0", "1")
    gloss = 0.0 if dull else min(sum(shine) / len(shine), 1.0) * min(exponent / _SHINY, 1.0)
    red, green, blue = (linear(min(max(x, 0.0), 1.0)) for x in colour)
    opacity = _opacity(entry, where)
    plain = Surface(Material((red, green, blue), gloss=max(gloss, 0.0), opacity=opacity))
    painted = _map("map_Kd", entry, besides, pictures, where)
    if painted is None:
        return Finish(plain, plain)
    alpha = _map("map_d", entry, besides, pictures, where)
    white = Material(gloss=max(gloss, 0.0), opacity=opacity, colour=(1.0, 1.0, 1.0))
    return Finish(
        textured(white, painted.image, None if alpha is None else alpha.image), plain, painted.scale, painted.offset
    )


def _opacity(entry: dict[str, str], where: str) -> float:
    """How much of a surface is there: `d`, or 1 - `Tr`."""
    if "d" in entry:
        found = _numbers("".join(entry["d"].split()[-1:]), where, "d")[0]  # may stand behind -halo
    elif "tr" in entry:
        # Programs that write Tr 1 mean all of it: nobody describes what cannot be seen at all.
        found = (1 - _numbers(entry["tr"], where, "Tr")[0]) or 1.0
    else:
        found = 1.0
    return min(max(found, 0.0), 1.0)


def _map(
    what: str, entry: dict[str, str], besides: Besides, pictures: dict[str, Image.Image | None], where: str
) -> _Map | None:
    """The picture of `map_Kd` or `map_d`, and where it lies; None where there is none (see `Besides`)."""
    options: dict[str, list[str]] = {}
    words = entry.get(what.lower(), "").split(" ")
    while words[0].startswith("-") and len(words) > 1:
        own = options.setdefault(words.pop(0), [])
        while len(words) > 1 and len(own) < _NUMBERS and (_is_number(words[0]) or words[0] in _WORDS):
            own.append(words.pop(0))
    name = " ".join(words).strip()
    if not name:
        return None
    if name not in pictures:
        data = besides.find(name)
        pictures[name] = None if data is None else opened(data, f"{besides.name}: texture {name!r}")
    image = pictures[name]
    if image is None:
        return None
    scale = _pair(options.get("-s", []), 1.0, where, f"{what} -s")
    return _Map(image, scale, _pair(options.get("-o", []), 0.0, where, f"{what} -o"))


def _pair(words: list[str], default: float, where: str, what: str) -> tuple[float, float]:
    """The first two numbers of an option."""
    numbers = _numbers(" ".join(words), where, what) if any(words) else []
    return (numbers[0] if numbers else default, numbers[1] if len(numbers) > 1 else default)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _numbers(text: str, where: str, what: str) -> list[float]:
    try:
        found = [float(word) for word in text.split()]
    except ValueError as error:
        raise DataError(f"{where}: {what} is {text!r}, expected numbers") from error
    if not found or not all(abs(x) < float("inf") for x in found):
        raise DataError(f"{where}: {what} is {text!r}, expected finite numbers")
    return found
