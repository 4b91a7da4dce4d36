"""GLB and glTF files as triangles: the scene that is shown first, its meshes where its nodes put them.

Not read with trimesh, which goes on without whatever it does not know: normalised and sparse numbers, second texture
coordinates and where they are moved to, colours of vertices under textures, fans, skins, damaged pictures.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from ..files import DataError
from .gltf_accessors import Document
from .gltf_materials import Paint, Palette
from .materials import Surface, coloured, encoded
from .referenced_files import Besides
from .surfaces import Soup, placed, tinted

_POINTS, _TRIANGLES, _STRIP, _FAN = range(4), 4, 5, 6
_MOST = 50_000_000  # triangles of a file: meshes may stand in many places


def read(data: bytes, besides: Besides) -> list[Soup]:
    """The triangles of a glTF file, with the colours and textures of its materials times those of its vertices.

    Skins and shapes are as they are at rest, animations not begun; points and lines have no surface and are left out,
    lights and cameras too. Raises DataError naming the file and the feature where it needs one that is not read here,
    and for what is missing, damaged, or not as long as it says.
    """
    document = Document(data, besides)
    return _scene(document, Palette(document))


def _scene(document: Document, palette: Palette) -> list[Soup]:
    """The meshes of the scene, each read once if nothing bends it, where its nodes put them."""
    soups, made, total = [], {}, 0
    nodes = list(_nodes(document))
    worlds = {node.index: node.matrix for node in nodes}
    for node in nodes:
        if "mesh" not in node.tree:
            continue
        number, skin, weights = (node.tree.get(key) for key in ("mesh", "skin", "weights"))
        document.item("meshes", number)
        bent = None if skin is None else _Skin.of(document, skin, worlds)
        if bent is not None or weights is not None:
            parts = _mesh(document, palette, number, weights, bent)
        elif number in made:
            parts = made[number]
        else:
            parts = made[number] = _mesh(document, palette, number, None, None)
        # What hangs on joints is where these are.
        for matrix in _instances(document, node) if bent is None else [np.eye(4)]:
            total += sum(len(part.corners) for part in parts)
            if total > _MOST:
                raise DataError(f"{document.name}: more than {_MOST:,} triangles, expected fewer")
            soups += [placed(part, matrix) for part in parts]
    return soups


@dataclass(frozen=True)
class _Node:
    """A node of the scene, and what takes it to its place."""

    index: int
    tree: dict[str, Any]
    matrix: Float64[np.ndarray, "4 4"]


def _nodes(document: Document) -> Iterator[_Node]:
    """The nodes of the scene that is shown first, without those that are hidden."""
    scenes = document.rows(document.tree.get("scenes"), "scenes")
    if scenes:
        roots = document.rows(document.item("scenes", document.tree.get("scene", 0)).get("nodes"), "nodes of a scene")
    else:
        every = [document.table(node, "a node") for node in document.rows(document.tree.get("nodes"), "nodes")]
        below = {str(child) for node in every for child in document.rows(node.get("children"), "children")}
        roots = [i for i in range(len(every)) if str(i) not in below]
    waiting = [(index, np.eye(4)) for index in reversed(roots)]
    seen = set()
    while waiting:
        index, above = waiting.pop()
        tree = document.item("nodes", index)
        if index in seen:
            raise DataError(f"{document.name}: node {index} stands in the scene twice, expected a tree of nodes")
        seen.add(index)
        if (document.extension(tree, "KHR_node_visibility") or {}).get("visible", True) is False:
            continue
        matrix = above @ _local(document, tree)
        yield _Node(index, tree, matrix)
        waiting += [(child, matrix) for child in reversed(document.rows(tree.get("children"), "children"))]


def _local(document: Document, node: dict[str, Any]) -> Float64[np.ndarray, "4 4"]:
    """What takes a node to its place within the one above it."""
    if "matrix" in node:
        return document.numbers(node["matrix"], tuple(np.eye(4).ravel()), "the matrix of a node").reshape(4, 4).T
    move = document.numbers(node.get("translation"), (0.0,) * 3, "translation")
    scale = document.numbers(node.get("scale"), (1.0,) * 3, "scale")
    turn = document.numbers(node.get("rotation"), (0.0, 0.0, 0.0, 1.0), "rotation")
    return _matrices(move[None], turn[None], scale[None])[0]


def _matrices(
    move: Float64[np.ndarray, "n 3"], turn: Float64[np.ndarray, "n 4"], scale: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "n 4 4"]:
    """Scale, then rotation (a quaternion x, y, z, w of any length), then translation."""
    length = np.linalg.norm(turn, axis=1, keepdims=True)
    turn = np.where(length > 0, turn, [0.0, 0.0, 0.0, 1.0]) / np.where(length > 0, length, 1)
    x, y, z, w = turn.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    found = np.zeros((len(move), 4, 4))
    found[:, :3, :3] = np.array(rows).transpose(2, 0, 1) * scale[:, None]
    found[:, :3, 3], found[:, 3, 3] = move, 1
    return found


def _instances(document: Document, node: _Node) -> list[Float64[np.ndarray, "4 4"]]:
    """Where a node's mesh stands: at one place, or at those that an extension names."""
    many = document.extension(node.tree, "EXT_mesh_gpu_instancing")
    if many is None:
        return [node.matrix]
    attributes = document.table(many.get("attributes"), "attributes of instances")
    widths = {"TRANSLATION": 3, "ROTATION": 4, "SCALE": 3}
    found = {key: document.array(attributes[key], key, (width,)) for key, width in widths.items() if key in attributes}
    counts = {len(values) for values in found.values()}
    if len(counts) != 1:
        raise DataError(f"{document.name}: instances of different numbers {sorted(counts)}, expected as many of each")
    count = counts.pop()
    move = found.get("TRANSLATION", np.zeros((count, 3)))
    turn = found.get("ROTATION", np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)))
    return [node.matrix @ own for own in _matrices(move, turn, found.get("SCALE", np.ones((count, 3))))]


@dataclass(frozen=True)
class _Skin:
    """Where the joints of a skin take what hangs on them."""

    matrices: Float64[np.ndarray, "j 4 4"]

    @classmethod
    def of(cls, document: Document, index: Any, worlds: dict[int, Float64[np.ndarray, "4 4"]]) -> "_Skin":
        skin = document.item("skins", index)
        joints = document.rows(skin.get("joints"), "joints")
        for joint in joints:
            document.item("nodes", joint)
            if joint not in worlds:
                raise DataError(f"{document.name}: a skin hangs on node {joint}, which is not in the scene")
        matrices = np.array([worlds[joint] for joint in joints]).reshape(-1, 4, 4)
        if "inverseBindMatrices" in skin:
            rest = document.array(skin["inverseBindMatrices"], "inverseBindMatrices", (16,)).reshape(-1, 4, 4)
            if len(rest) < len(joints):
                raise DataError(f"{document.name}: {len(rest)} inverseBindMatrices for {len(joints)} joints")
            matrices = matrices @ rest[: len(joints)].transpose(0, 2, 1)
        return cls(matrices)

    def bend(self, document: Document, attributes: dict[str, Any], count: int) -> Float64[np.ndarray, "v 4 4"]:
        """What takes every vertex to its place."""
        total, found = np.zeros((count, 1)), np.zeros((count, 4, 4))
        for i in range(len(attributes)):
            if f"JOINTS_{i}" not in attributes:
                break
            joints = document.whole(attributes[f"JOINTS_{i}"], "joints", 4)
            weights = document.array(attributes.get(f"WEIGHTS_{i}"), "weights", (4,))
            if len(joints) != count or len(weights) != count:
                raise DataError(
                    f"{document.name}: {len(joints)} joints and {len(weights)} weights for {count} vertices"
                )
            if count and joints.max() >= len(self.matrices):
                raise DataError(f"{document.name}: joints up to {joints.max()}, there are {len(self.matrices)}")
            for j in range(4):
                found += weights[:, j, None, None] * self.matrices[joints[:, j]]
            total += weights.sum(1, keepdims=True)
        if not (total > 0).all():
            raise DataError(f"{document.name}: vertices of a skin that hang on no joint, expected weights for all")
        return found / total[..., None]


def _mesh(document: Document, palette: Palette, index: Any, weights: Any, skin: _Skin | None) -> list[Soup]:
    mesh = document.item("meshes", index)
    shown = document.rows(mesh.get("weights") if weights is None else weights, "weights of a mesh")
    return [
        soup
        for part in document.rows(mesh.get("primitives"), "primitives")
        for soup in _primitive(document, palette, document.table(part, "a primitive"), shown, skin)
    ]


def _primitive(
    document: Document, palette: Palette, part: dict[str, Any], shown: list[Any], skin: _Skin | None
) -> list[Soup]:
    """The triangles of one part of a mesh, in as many soups as it has colours under a texture."""
    mode = part.get("mode", _TRIANGLES)
    attributes = document.table(part.get("attributes"), "attributes")
    if mode in _POINTS or "POSITION" not in attributes:
        return []
    squeezed = document.table(part.get("extensions"), "extensions")
    used = [*attributes.values(), *([part["indices"]] if "indices" in part else [])] if squeezed else []
    if not all(document.has_bytes(index) for index in [attributes["POSITION"], *used]):
        raise DataError(
            f"{document.name}: a mesh whose numbers are not read here (extensions: {', '.join(squeezed) or 'none'})"
        )
    points, normals = _shape(document, part, attributes, shown, skin)
    faces = _faces(document, part.get("indices"), mode, len(points))
    if len(faces) and faces.max() >= len(points):
        raise DataError(f"{document.name}: faces refer to vertices up to {faces.max()}, there are {len(points)}")
    paint = palette.paint(part.get("material"))
    uv = None if paint.image is None else palette.coordinates(paint, attributes, len(points))
    if uv is not None and len(faces):
        used = np.unique(faces)
        paint, uv[used] = palette.wrapped(paint, uv[used])
    colours, surface = None, paint.surface(None, uv is not None)
    if "material" not in part and "COLOR_0" not in attributes:
        surface = Surface()  # whose colour nobody says, in any kind of file
    if "COLOR_0" in attributes:
        colours = document.array(attributes["COLOR_0"], "COLOR_0", (3, 4))
        if len(colours) != len(points) or not np.isfinite(colours).all():
            raise DataError(f"{document.name}: {len(colours)} finite colours for {len(points)} vertices expected")
        colours = np.column_stack((colours, np.ones((len(colours), 4 - colours.shape[1]))))[faces]
    corners = None if uv is None else np.stack((uv[..., 0], 1 - uv[..., 1]), -1)[faces]  # ours begin below
    whole = Soup(points[faces], surface, None if normals is None else normals[faces], corners)
    return [whole] if colours is None else _coloured(whole, paint, colours)


def _coloured(soup: Soup, paint: Paint, colours: Float64[np.ndarray, "f 3 4"]) -> list[Soup]:
    """The soup, its material multiplied by colours at its corners."""
    solid = paint.mode == "OPAQUE" or bool((colours[..., 3] >= 1).all())
    if soup.uv is None and solid:
        rgb = np.rint(255 * encoded(colours[..., :3].clip(0, 1))).astype(np.uint8)
        surface, uv = coloured(soup.surface.material, rgb)
        return [replace(soup, surface=surface, uv=uv)]
    return tinted(soup, colours, lambda tint: paint.surface(tint, soup.uv is not None))


def _shape(
    document: Document, part: dict[str, Any], attributes: dict[str, Any], shown: list[Any], skin: _Skin | None
) -> tuple[Float64[np.ndarray, "v 3"], Float64[np.ndarray, "v 3"] | None]:
    """Places and normals of vertices, at rest."""
    found = {key: document.array(attributes[key], key, (3,)) for key in ("POSITION", "NORMAL") if key in attributes}
    count = len(found["POSITION"])
    weights = document.numbers(shown, (0.0,) * len(shown), "weights of a mesh")
    for weight, target in zip(weights, document.rows(part.get("targets"), "targets"), strict=False):
        target = document.table(target, "a target")
        for key in found:
            if weight and key in target:
                moved = document.array(target[key], f"{key} of a target", (3,))
                if len(moved) != len(found[key]):
                    raise DataError(f"{document.name}: a target of {len(moved)} {key} for {len(found[key])}")
                found[key] = found[key] + weight * moved
    points, normals = found["POSITION"], found.get("NORMAL")
    for what, values in found.items():
        if len(values) != count:
            raise DataError(f"{document.name}: {len(values)} {what} for {count} vertices")
    if not np.isfinite(points).all():
        raise DataError(f"{document.name}: vertices hold {np.sum(~np.isfinite(points))} numbers that are not finite")
    if skin is not None and "JOINTS_0" in attributes:
        bent = skin.bend(document, attributes, count)
        points = np.einsum("vij,vj->vi", bent[:, :3, :3], points) + bent[:, :3, 3]
        normals = None if normals is None else np.einsum("vij,vj->vi", bent[:, :3, :3], normals)
    return points, normals


def _faces(document: Document, indices: Any, mode: Any, count: int) -> Int64[np.ndarray, "f 3"]:
    """Triangles as triples of vertices."""
    order = np.arange(count) if indices is None else document.whole(indices, "indices")[:, 0]
    n = len(order) - 2
    if mode == _TRIANGLES:
        if len(order) % 3:
            raise DataError(f"{document.name}: {len(order)} corners of triangles, expected three for each")
        return order.reshape(-1, 3)
    if mode == _STRIP:
        odd = np.arange(max(n, 0)) % 2
        at = np.arange(max(n, 0))
        return np.stack((order[at + odd], order[at + 1 - odd], order[at + 2]), 1)
    if mode == _FAN:
        at = np.arange(max(n, 0))
        return np.stack((np.broadcast_to(order[:1], at.shape) if n > 0 else at, order[at + 1], order[at + 2]), 1)
    raise DataError(f"{document.name}: a primitive of mode {str(mode)[:40]}, expected one of glTF's, 0 to 6")
