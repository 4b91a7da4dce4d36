"""Blender's Cycles (bpy): the renderer that 3DIEBench was made with, two orders of magnitude slower than the others.

An optional extra for fidelity: it has the light that objects and floor send each other, and glass. Lamps, floor and
curve are those of `stage`, so that the pictures of all renderers belong together. A material becomes a Principled BSDF
of the same colour, texture and opacity, whose specular level and smoothness follow from its gloss.
"""

import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from ..meshes.mesh import Material, Mesh
from ..objects import stage
from ..objects.renderer import LINEAR, Renderer, UnavailableError, outward
from ..objects.stage import Lamps, Shots
from ..validation import RenderedSide, Samples, Seed

_FLOOR_SIDE = 10_000.0  # as in the benchmark's script: up to the horizon


class Blender(Renderer[Any]):
    """Path tracing with `samples` paths a pixel and Blender's denoiser, on the processor or on `device` (Cycles' name).

    Blender keeps its state in the process: no two of these renderers may be in use at the same time.
    """

    name = "blender"

    def __init__(self, size: RenderedSide, samples: Samples = 64, device: str = "CPU", seed: Seed = 0) -> None:
        super().__init__(size, samples)
        try:
            import bpy  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise UnavailableError(
                f"renderer 'blender' needs bpy ({error}); `pip install bpy`, for exactly the Python that it supports"
            ) from error
        self._bpy: Any = bpy
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._scene = bpy.context.scene
        self._settings(device, seed)
        self._world()
        self._floor = self._diffuse_floor()
        self._camera()
        self._sun()
        self._spot = self._lamp(
            "SPOT",
            "spot",
            energy=stage.SPOT_POWER,
            spot_size=stage.SPOT_CONE,
            spot_blend=stage.SPOT_BLEND,
            shadow_soft_size=stage.SPOT_RADIUS,
        )

    @property
    def version(self) -> str:
        """Blender's version, and what it draws with."""
        cycles = self._scene.cycles
        return f"blender: bpy {self._bpy.app.version_string}, Cycles on {cycles.device}, {cycles.samples} samples"

    def _settings(self, device: str, seed: int) -> None:
        """How the scene is rendered: size, samples, film."""
        scene, render = self._scene, self._scene.render
        render.engine = "CYCLES"
        render.resolution_x = render.resolution_y = self.size
        render.resolution_percentage = 100
        render.image_settings.file_format = "PNG"
        render.image_settings.color_mode = "RGB"
        scene.display_settings.display_device = "sRGB"
        scene.view_settings.view_transform = "Filmic"
        scene.cycles.samples = self.samples
        scene.cycles.use_denoising = True
        scene.cycles.seed = seed
        if device != "CPU":
            preferences = self._bpy.context.preferences.addons["cycles"].preferences
            preferences.compute_device_type = device
            preferences.get_devices()
            for found in preferences.devices:
                found.use = found.type == device
            if not any(found.use for found in preferences.devices):
                raise UnavailableError(f"renderer 'blender': Cycles finds no device of type {device!r}")
            scene.cycles.device = "GPU"

    def _world(self) -> None:
        """The grey surroundings."""
        world = self._bpy.data.worlds.new("world")
        world.use_nodes = True
        background = _node(world.node_tree, "ShaderNodeBackground", "ShaderNodeOutputWorld", "Surface")
        background.inputs["Color"].default_value = (*(stage.AMBIENT,) * 3, 1.0)
        background.inputs["Strength"].default_value = 1.0
        self._scene.world = world

    def _diffuse_floor(self) -> Any:
        """The floor; what is returned is the input that takes its colour."""
        data = self._bpy.data
        half = _FLOOR_SIDE / 2
        corners = [(x, y, stage.FLOOR_HEIGHT) for x, y in ((-half, -half), (half, -half), (half, half), (-half, half))]
        plane = data.meshes.new("floor")
        plane.from_pydata(corners, [], [(0, 1, 2, 3)])
        material = data.materials.new("floor")
        material.use_nodes = True
        diffuse = _node(material.node_tree, "ShaderNodeBsdfDiffuse", "ShaderNodeOutputMaterial", "Surface")
        plane.materials.append(material)
        self._scene.collection.objects.link(data.objects.new("floor", plane))
        return diffuse.inputs["Color"]

    def _camera(self) -> None:
        eye, right, up, ahead = stage.camera()
        data = self._bpy.data.cameras.new("camera")
        data.angle = stage.FIELD_OF_VIEW
        camera = self._bpy.data.objects.new("camera", data)
        camera.matrix_world = _matrix(np.stack((right, up, -ahead), 1), eye)
        self._scene.collection.objects.link(camera)
        self._scene.camera = camera

    def _sun(self) -> None:
        """The sun, as strong as it was for the benchmark's pictures.

        What a wide sun of one strength sends has changed between versions of Blender, so this is measured: on a white
        floor, with nothing else in the scene.
        """
        scene, settings = self._scene, self._scene.view_settings
        sun = self._lamp("SUN", "sun", energy=2.0, angle=stage.SUN_ANGLE)
        background = next(node for node in scene.world.node_tree.nodes if node.type == "BACKGROUND")
        background.inputs["Strength"].default_value = 0.0
        settings.view_transform = "Standard"
        self._floor.default_value = (1.0, 1.0, 1.0, 1.0)
        with _quiet():
            radiance = float(LINEAR[self._picture()].mean())
        sun.data.energy *= stage.SUN_IRRADIANCE / (math.pi * radiance)
        background.inputs["Strength"].default_value = 1.0
        settings.view_transform = "Filmic"

    def _picture(self) -> UInt8[np.ndarray, "h w 3"]:
        """The scene as it is now."""
        with tempfile.TemporaryDirectory() as folder:
            self._scene.render.filepath = str(Path(folder) / "view.png")
            self._bpy.ops.render.render(write_still=True)
            with Image.open(self._scene.render.filepath) as picture:
                return np.asarray(picture.convert("RGB"))

    def _lamp(self, kind: str, name: str, **settings: float) -> Any:
        """A lamp that shines downwards."""
        data = self._bpy.data.lights.new(name, kind)
        for setting, value in settings.items():
            setattr(data, setting, value)
        lamp = self._bpy.data.objects.new(name, data)
        self._scene.collection.objects.link(lamp)
        return lamp

    def _prepare(self, mesh: Mesh) -> Any:
        data, faces = self._bpy.data, outward(mesh)
        made = data.meshes.new(mesh.name)
        made.from_pydata(mesh.vertices.tolist(), [], faces.tolist())
        made.uv_layers.new(name="uv").data.foreach_set("uv", mesh.uv[faces.ravel()].ravel())
        for material in mesh.materials:
            made.materials.append(self._material(material))
        made.polygons.foreach_set("material_index", mesh.face_materials)
        made.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
        made.normals_split_custom_set(mesh.normals[faces.ravel()].tolist())
        made.update()
        thing = data.objects.new(mesh.name, made)
        thing.hide_render = True
        self._scene.collection.objects.link(thing)
        return thing

    def _material(self, material: Material) -> Any:
        """A surface of this colour or texture, as shiny and as dense as it says."""
        made = self._bpy.data.materials.new("material")
        made.use_nodes = True
        tree = made.node_tree
        surface = _node(tree, "ShaderNodeBsdfPrincipled", "ShaderNodeOutputMaterial", "Surface")
        surface.inputs["Base Color"].default_value = (*material.colour, 1.0)
        surface.inputs["Alpha"].default_value = material.opacity
        surface.inputs["Roughness"].default_value = 1 - 0.7 * material.gloss
        names = [name for name in ("Specular IOR Level", "Specular") if name in surface.inputs]  # from 4.0 on; before
        surface.inputs[names[0]].default_value = material.gloss
        if material.texture is not None:
            h, w = material.texture.shape[:2]
            image = self._bpy.data.images.new("texture", w, h)
            pixels = np.ones((h, w, 4), np.float32)
            pixels[..., :3] = material.texture[::-1] / 255
            image.pixels.foreach_set(pixels.ravel())
            lookup = tree.nodes.new("ShaderNodeTexImage")
            lookup.image = image
            tint = tree.nodes.new("ShaderNodeVectorMath")
            tint.operation = "MULTIPLY"
            tint.inputs[1].default_value = material.colour
            tree.links.new(lookup.outputs["Color"], tint.inputs[0])
            tree.links.new(tint.outputs[0], surface.inputs["Base Color"])
        return made

    def _drop(self, placed: Any) -> None:
        data, mesh = self._bpy.data, placed.data
        materials = list(mesh.materials)
        data.objects.remove(placed)
        data.meshes.remove(mesh)
        for material in materials:
            images = [node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE"]
            data.materials.remove(material)
            for image in images:
                data.images.remove(image)

    def _draw(self, placed: Sequence[Any], shots: Shots) -> UInt8[np.ndarray, "b h w 3"]:
        lamps = Lamps.of(shots)
        turns = shots.rotation.detach().cpu().numpy()
        pictures = []
        with _quiet():
            for i, thing in enumerate(placed):
                thing.matrix_world = _matrix(turns[i], np.zeros(3))
                thing.hide_render = False
                self._floor.default_value = (*lamps.floor[i].tolist(), 1.0)
                self._spot.matrix_world = _matrix(lamps.frame[i].T, stage.SPOT_DISTANCE * lamps.frame[i, 2])
                self._spot.data.color = (lamps.beam[i] / stage.SPOT_INTENSITY).tolist()
                pictures.append(self._picture())
                thing.hide_render = True
        return np.stack(pictures)


def _node(tree: Any, kind: str, output: str, socket: str) -> Any:
    """A shader of this kind as the only one of a tree, joined to its output."""
    tree.nodes.clear()
    made, end = tree.nodes.new(kind), tree.nodes.new(output)
    tree.links.new(made.outputs[0], end.inputs[socket])
    return made


def _matrix(turn: Float32[np.ndarray, "3 3"], place: np.ndarray) -> Any:
    """Blender's matrix of a rotation and a place."""
    from mathutils import Matrix  # pyright: ignore[reportMissingImports]

    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = turn, place
    return Matrix(whole.tolist())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what Blender writes for every picture, past Python, off the standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
