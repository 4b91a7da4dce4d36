"""glTF files that cannot be read: an error names the file and the feature or what is wrong, never silence."""

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.meshes import Gltf, png, quarters, save

from gazeworld.envs.files import DataError
from gazeworld.envs.meshes.mesh import Mesh
from gazeworld.envs.meshes.mesh_files import load_mesh

CORNERS = [(0, 0, 0), (2, 0, 0), (2, 1, 0), (0, 1, 0)]
QUAD = [0, 1, 2, 0, 2, 3]
UV = [(0, 1), (1, 1), (1, 0), (0, 0)]


def read(path: Path, file: Gltf) -> Mesh:
    return load_mesh(save(path / "a.glb", file.glb()), up="z")


def square(file: Gltf) -> dict[str, int]:
    return {"POSITION": file.accessor(CORNERS)}


def change(file: Gltf, path: str, value: Any) -> None:
    """Set something deep in a file, by its path."""
    *above, last = path.split("/")
    here: Any = file.tree
    for key in above:
        here = here[int(key) if isinstance(here, list) else key]
    here[int(last) if isinstance(here, list) else last] = value


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("extensionsRequired", ["KHR_draco_mesh_compression"], "requires the extension KHR_draco_mesh_compression"),
        ("extensionsRequired", ["EXT_meshopt_compression"], "requires the extension EXT_meshopt_compression"),
        ("extensionsRequired", ["KHR_texture_basisu"], "requires the extension KHR_texture_basisu"),
        ("asset/version", "1.0", "is of glTF '1.0'"),
        ("accessors/0", {"componentType": 5126, "count": 4, "type": "VEC3"}, "numbers are not read here"),
        ("accessors/0/count", 5, "do not fit"),
        ("accessors/0/count", 10**30, "count of POSITION"),
        ("accessors/0/componentType", 5124, "componentType 5124"),
        ("accessors/0/type", "VEC2", "of type VEC2"),
        ("accessors/0/byteOffset", -1, "byteOffset"),
        ("bufferViews/0/byteLength", 10**9, "a view of bytes"),
        ("bufferViews/0/buffer", 3, "number 3 of its buffers"),
        ("bufferViews/0/byteStride", 4, "4 bytes apart"),
        ("textures/0", {"extensions": {"KHR_texture_basisu": {"source": 0}}}, r"extensions: KHR_texture_basisu"),
        ("textures/0/source", 9, "number 9 of its images"),
        ("images/0/bufferView", 0, "picture 0: cannot be decoded"),
        ("materials/0/pbrMetallicRoughness/baseColorTexture/texCoord", 2, "needs TEXCOORD_2"),
        ("materials/0/alphaMode", "SHINE", "alphaMode is 'SHINE'"),
        ("materials/0/pbrMetallicRoughness/baseColorFactor", [1, 1, 1], "expected 4 finite numbers"),
        ("samplers/0/wrapS", 7, "wraps by 7"),
        ("meshes/0/primitives/0/mode", 7, "mode 7"),
        ("meshes/0/primitives/0/indices", 1, "indices are of type VEC2"),
        ("meshes/0/primitives/0/material", 4, "number 4 of its materials"),
        ("meshes/0/primitives", 5, "primitives is '5'"),
        ("nodes/0/mesh", 1, "number 1 of its meshes"),
        ("nodes/0/children", [0], "node 0"),
        ("nodes/0/rotation", [0, 0, float("nan"), 1], "expected 4 finite numbers"),
        ("nodes/0/matrix", [1] * 15, "expected 16 finite numbers"),
        ("nodes/0/skin", 0, "number 0 of its skins"),
        ("nodes", 17, "nodes is '17'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(tmp_path: Path, path: str, value: Any, said: str) -> None:
    file = Gltf()
    picture = file.accessor(CORNERS), file.accessor(UV), file.picture(png(quarters()), wrapS=10497)
    file.shown(
        {"POSITION": picture[0], "TEXCOORD_0": picture[1]},
        {"pbrMetallicRoughness": {"baseColorTexture": {"index": picture[2]}}},
        indices=file.accessor(QUAD, "u1"),
    )
    file.tree["scenes"] = [{"nodes": [0]}]
    assert read(tmp_path, file).materials[0].texture is not None
    change(file, path, value)
    with pytest.raises(DataError, match=rf"a\.glb: .*{said}"):
        read(tmp_path, file)


def test_compressed_meshes_are_named_even_where_nothing_is_required(tmp_path: Path) -> None:
    file = Gltf()
    place = file.add("accessors", {"componentType": 5126, "count": 4, "type": "VEC3"})
    draco = {"KHR_draco_mesh_compression": {"bufferView": file.view(b"DRACO"), "attributes": {"POSITION": 0}}}
    file.shown({"POSITION": place}, extensions=draco)
    with pytest.raises(DataError, match="KHR_draco_mesh_compression"):
        read(tmp_path, file)
    file = Gltf()
    file.shown(square(file), indices=file.accessor(QUAD, "u1"))
    file.tree["bufferViews"][0]["extensions"] = {"EXT_meshopt_compression": {"buffer": 0}}
    assert len(read(tmp_path, file).faces) == 2  # numbers that are not compressed stand beside
    file.tree["bufferViews"][0]["buffer"] = 1
    tree = {**file.tree, "buffers": [{"byteLength": len(file.data)}, {"byteLength": 48}]}
    with pytest.raises(DataError, match="compressed by the extension EXT_meshopt_compression"):
        load_mesh(save(tmp_path / "b.gltf", json.dumps(tree)))
