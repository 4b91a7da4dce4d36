"""Meshes: objects as triangles with materials, from files of any kind or made of numbers.

Everything is read into loose triangles (`surfaces`), which become one Mesh; an Item is a mesh to be loaded when asked.

    mesh              Mesh, Material, Item; smooth normals
    surfaces          from loose triangles to one mesh; outlines cut out of transparent textures
    materials         colours, textures and transparency of surfaces
    mesh_files        load_mesh for a file of any kind, and folders of them as collections
    obj_files         Wavefront OBJ; mtl_files its materials
    gltf_files        glTF and GLB; gltf_accessors their numbers, gltf_materials their materials
    ply_files         PLY; ply_tables its numbers
    stl_files         STL
    off_files         OFF
    trimesh_scenes    what users of trimesh have in memory
    polygon_files     polygons over a table of points, as OFF, PLY and STL have them
    polygons          polygons cut into triangles
    referenced_files  files that a model names: textures, buffers, materials
    furniture         Sweet Home 3D's archives of models
    solids            ten families of parametric solids: solids_indoors, solids_outdoors
    shapes            boxes, lathed profiles, prisms and tubes, of which solids are built
"""

from typing import TYPE_CHECKING

from ..registry import face

if TYPE_CHECKING:
    from . import furniture, shapes
    from .mesh import Item, Material, Mesh
    from .mesh_files import EXTENSIONS, from_trimesh, load_mesh
    from .solids import FAMILIES, solid

__all__ = [
    "EXTENSIONS",
    "FAMILIES",
    "Item",
    "Material",
    "Mesh",
    "from_trimesh",
    "furniture",
    "load_mesh",
    "shapes",
    "solid",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "mesh": ("Item", "Material", "Mesh"),
        "mesh_files": ("EXTENSIONS", "from_trimesh", "load_mesh"),
        "solids": ("FAMILIES", "solid"),
        "furniture": (),
        "shapes": (),
    },
)
