"""Damaged models of every kind of file that is read: a mesh or a DataError comes out, and nothing outside is read.

GAZEWORLD_FUZZ sets how many damaged files each door is given; the seeds are fixed.
"""

import io
import os
import signal
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.meshes import Gltf, png, quarters, save
from PIL import Image

from gazeworld.envs.files import DataError
from gazeworld.envs.meshes import furniture
from gazeworld.envs.meshes.mesh import Mesh
from gazeworld.envs.meshes.mesh_files import load_mesh

TRIES = int(os.environ.get("GAZEWORLD_FUZZ", "60"))
LIMIT = 60  # seconds after which a file counts as one that hangs
CORNERS = [(0, 0, 0), (2, 0, 0), (2, 1, 0), (0, 1, 0)]
UV = [(0, 0), (1, 0), (1, 1), (0, 1)]
OBJ = (
    "mtllib m.mtl\nv 0 0 0 1 0 0\nv 2 0 0 1 0 0\nv 2 1 0 0 0 1\nv 0 1 0 0 0 1\nv 1 .25 1 0 1 0\nvt 0 0\nvt 1 0\n"
    "vt 1 1\nvt 0 1\nvn 0 0 1\nusemtl m\nf 1/1/1 2/2/1 3/3/1 4/4/1\nusemtl n\nf 1 2 -1\nf 1 2 5 3 4\n"
)
MTL = (
    "newmtl m\nKd 1 .5 0\nKs 1 1 1\nNs 50\nillum 2\nd .5\nmap_Kd -s 2 2 1 -o .5 0 t.png\nmap_d d.png\nnewmtl n\nTr .3\n"
)
OFF = "COFF # colours\n5 3 0\n" + "".join(f"{x} {y} {z} 255 {90 * x} 0\n" for x, y, z in [*CORNERS, (1, 0, 1)])
OFF += "4 0 1 2 3 1.0 0 0\n3 0 1 4\n5 0 1 4 2 3\n"
PLY = (
    "ply\nformat {} 1.0\ncomment TextureFile t.png\nelement vertex 5\nproperty float x\nproperty float y\n"
    "property float z\nproperty float s\nproperty float t\nproperty uchar red\nproperty uchar green\n"
    "property uchar blue\nelement face 3\nproperty list uchar int vertex_indices\nelement tristrips 1\n"
    "property list int int vertex_indices\nend_header\n"
)
FACET = "facet normal 0 0 1\n outer loop\n  vertex 0 0 0\n  vertex 1 0 {}\n  vertex 0 1 0\n endloop\nendfacet\n"


def texture() -> bytes:
    return png(np.dstack((quarters(8), np.tril(np.full((8, 8), 255)))))


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(quarters(8)).save(out, kind)
    return out.getvalue()


def ply_of_bytes() -> bytes:
    points = b"".join(struct.pack("<5f3B", *xyz, *xyz[:2], 255, 0, 9) for xyz in [*CORNERS, (1, 0, 1)])
    faces = b"".join(struct.pack(f"<B{len(f)}i", len(f), *f) for f in ([0, 1, 2, 3], [0, 1, 4], [0, 1, 4, 2, 3]))
    return PLY.format("binary_little_endian").encode() + points + faces + struct.pack("<6i", 5, 0, 1, 4, -1, 2)


def ply_of_text() -> str:
    points = "".join(f"{x} {y} {z} {x} {y} 255 0 9\n" for x, y, z in [*CORNERS, (1, 0, 1)])
    return PLY.format("ascii") + points + "4 0 1 2 3\n3 0 1 4\n5 0 1 4 2 3\n5 0 1 4 -1 2\n"


def gltf() -> Gltf:
    """A file with a little of everything."""
    file = Gltf()
    attributes = {"POSITION": file.accessor(CORNERS), "NORMAL": file.accessor([(0, 0, 1)] * 4)}
    attributes |= {
        "TEXCOORD_0": file.accessor(UV),
        "TEXCOORD_1": file.accessor(np.array(UV) * 510, "u2", normalized=True),
    }
    attributes["COLOR_0"] = file.accessor([(255, 0, 0, 255), (0, 255, 0, 90)] * 2, "u1", normalized=True)
    info = {"index": file.picture(texture(), wrapS=33648, wrapT=33071), "texCoord": 1}
    info["extensions"] = {"KHR_texture_transform": {"offset": [0.5, 0], "rotation": 0.1, "scale": [2, 2]}}
    material = {"pbrMetallicRoughness": {"baseColorTexture": info, "roughnessFactor": 0.5}, "alphaMode": "MASK"}
    targets = [{"POSITION": file.accessor(CORNERS)}]
    indices = file.accessor([0, 1, 3, 2], "u1")
    file.shown(attributes, material, indices=indices, mode=5, targets=targets, mesh={"weights": [0.5]})
    bent = {"JOINTS_0": file.accessor([(0, 1, 0, 0)] * 4, "u1"), "WEIGHTS_0": file.accessor([(0.5, 0.5, 0, 0)] * 4)}
    shiny = {"KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": [1, 0, 0, 0.5]}}
    more = {"alphaMode": "BLEND", "extensions": shiny}
    file.shown({**attributes, **bent}, more, indices=indices, mode=6, node={"skin": 0, "children": [2, 3]})
    file.add("nodes", {"rotation": [0, 0, 0.5, 0.5], "scale": [1, 2, 3], "translation": [1, 2, 3]})
    file.add("nodes", {"matrix": np.diag([1.0, 2, -1, 1]).ravel().tolist()})
    file.add("skins", {"joints": [2, 3], "inverseBindMatrices": file.accessor(np.tile(np.eye(4).ravel(), (2, 1)))})
    sparse = file.accessor(CORNERS)
    places = {"bufferView": file.view(bytes([1, 2])), "componentType": 5121}
    values = {"bufferView": file.view(np.array(CORNERS[:2], "<f4").tobytes())}
    file.tree["accessors"][sparse]["sparse"] = {"count": 2, "indices": places, "values": values}
    file.shown({"POSITION": sparse}, indices=indices, mode=5)
    file.tree["scenes"] = [{"nodes": [0, 1, 4]}]
    return file


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        catalogue = "name=Lib\nlicense=CC\nname#1=Chair\ntags#1=Seat\ncategory#1=Office\nmodel#1=/lib/a/a.obj\n"
        catalogue += "modelRotation#1=1 0 0 0 0 1 0 -1 0\n"
        content = {furniture.CATALOGUE: catalogue, "lib/a/a.obj": OBJ, "lib/a/m.mtl": MTL}
        for name, text in {**content, "lib/a/t.png": texture(), "lib/a/d.png": png(quarters(8)[..., 0])}.items():
            file.writestr(name, text)
    return out.getvalue()


BESIDE: dict[str, str | bytes] = {"m.mtl": MTL, "t.png": texture(), "d.png": png(quarters(8)[..., 0])}
DOORS: dict[str, tuple[str, Callable[[], str | bytes]]] = {
    "obj": ("a.obj", lambda: OBJ),
    "mtl": ("m.mtl", lambda: MTL),
    "png": ("t.png", texture),
    "mask": ("d.png", lambda: BESIDE["d.png"]),
    "jpeg": ("t.png", lambda: picture("JPEG")),
    "tiff": ("t.png", lambda: picture("TIFF")),
    "bmp": ("t.png", lambda: picture("BMP")),
    "tga": ("t.png", lambda: picture("TGA")),
    "gif": ("t.png", lambda: picture("GIF")),
    "webp": ("t.png", lambda: picture("WEBP")),
    "off": ("a.off", lambda: OFF),
    "ply of text": ("a.ply", ply_of_text),
    "ply of bytes": ("a.ply", ply_of_bytes),
    "stl of text": ("a.stl", lambda: f"solid a\n{FACET.format(0)}{FACET.format(1)}endsolid a\n"),
    "stl of bytes": ("a.stl", lambda: bytes(80) + struct.pack("<I12fH", 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0)),
    "gltf": ("a.gltf", lambda: gltf().text()),
    "glb": ("a.glb", lambda: gltf().glb()),
    "sh3f": ("a.sh3f", archive),
}
WORDS = (
    b"\0", b"\xff\xff\xff\xff", b"-1", b"1e999", b"nan", b"99999999999999999999", b"../", b"/etc/hostname", b"\n", b"#",
    b" ", b'"', b"{", b"[", b"\xef\xbb\xbf", b"\xe9", b"0", b"true", b"null", b"1.5", b"/", b"f 1 2 3\n", b"\x7f\xf8\0",
)  # fmt: skip


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The same with bits flipped, words put in, parts cut out, repeated or replaced, or its end cut off."""
    found = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(found) + 1))
        length = int(rng.integers(1, 9))
        what = rng.integers(6)
        if what == 0 and at < len(found):
            found[at] ^= 1 << int(rng.integers(8))
        elif what == 1:
            found[at:at] = WORDS[int(rng.integers(len(WORDS)))]
        elif what == 2:
            word = WORDS[int(rng.integers(len(WORDS)))]
            found[at : at + len(word)] = word
        elif what == 3:
            del found[at : at + length]
        elif what == 4:
            found[at:at] = found[at : at + 20 * length]
        elif rng.integers(3) == 0:
            del found[at:]
    return bytes(found)


OPENED: list[str] = []
WATCHING = [False]


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if WATCHING[0] and event == "open" and isinstance(args[0], str | bytes | os.PathLike):
        OPENED.append(os.path.realpath(os.fsdecode(args[0])))


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Files that are opened meanwhile must lie in this folder, or be code; nothing may take for ever."""

    def late(*_: object) -> None:
        raise AssertionError(f"still at it after {LIMIT} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)
    OPENED.clear()
    WATCHING[0] = True
    try:
        yield
    finally:
        WATCHING[0] = False
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    allowed = (str(folder.resolve()) + "/", sys.prefix, sys.base_prefix, *(p for p in sys.path if p))
    assert not [path for path in OPENED if not path.startswith(allowed)]


@pytest.fixture(scope="module", autouse=True)
def _hook() -> None:
    sys.addaudithook(_watch)  # hooks stay; without `WATCHING` this one does nothing


def opened(folder: Path, name: str) -> Mesh | None:
    """The mesh to which a damaged file belongs; None for an archive that lists no model of a class any more."""
    if name.endswith(".sh3f"):
        items = furniture.walk(folder / name)
        return items[0].load() if items else None
    return load_mesh(folder / (name if name.startswith("a.") else "a.obj"), root=folder)


@pytest.mark.parametrize("door", DOORS)
def test_damaged_files_give_a_mesh_or_a_data_error(tmp_path: Path, door: str) -> None:
    folder = tmp_path / "models"
    for beside, content in BESIDE.items():
        save(folder / beside, content)
    save(folder / "a.obj", OBJ)
    save(tmp_path / "secret", "outside")
    name, make = DOORS[door]
    content = make()
    whole = content if isinstance(content, bytes) else content.encode()
    save(folder / name, whole)
    opened(folder, name)
    errors = 0
    for seed in range(TRIES):
        save(folder / name, damaged(whole, np.random.default_rng([list(DOORS).index(door), seed])))
        said = ""
        try:
            with watched(folder):
                opened(folder, name)
        except DataError as error:
            errors, said = errors + 1, str(error)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
        assert not said or "models/" in said, (seed, said)
        assert "\n" not in said, (seed, said)
    assert errors
