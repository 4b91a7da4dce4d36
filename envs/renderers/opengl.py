"""OpenGL without a window (moderngl, EGL): the GPU's driver where there is one, Mesa's software driver otherwise.

Many views lie side by side in one large picture, which is read back once. Every view has a shadow map of its own, seen
from the spot; the shadow's softness follows from the radius of the lamp and the distance of what is in its way
(percentage-closer soft shadows, Fernando 2005, with the receiver's plane taken into account). Edges are smoothed by
multisampling. Surfaces of opacity below 1 are blended over the rest, back faces before front faces, and let a part of
the light through; mixing takes place in display values, not in radiances, which only shows at edges and in glass.
"""

import contextlib
import importlib
import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from ..meshes.mesh import Mesh
from ..objects.renderer import TEXELS, Renderer, UnavailableError, outward, shrunk
from ..objects.stage import Lamps, Shots
from ..validation import Natural, RenderedSide, Samples
from . import _shaders

_ATLAS = 2048  # pixels a side of the picture that holds many views
_CELLS = 32  # views a side that it holds at most


@dataclass(frozen=True)
class _Run:
    """Faces that are drawn by one call: from which corner on, how many corners, with which texture, if seen through."""

    first: int
    count: int
    texture: Any | None
    clear: bool


@dataclass(frozen=True)
class _Model:
    """A mesh in the device's memory, and how the two programs that draw it read it."""

    shadow: Any
    drawing: Any
    runs: tuple[_Run, ...]
    buffers: tuple[Any, ...]


@dataclass(frozen=True)
class _Group:
    """Views of one model that lie next to each other in an atlas."""

    model: _Model
    first: int
    count: int


@dataclass(frozen=True)
class _Atlas:
    """Pictures and shadow maps of `cells` x `cells` views, and the texture that describes these."""

    cells: int
    views: Any
    shadows: Any
    shadow_frame: Any
    frame: Any
    resolved: Any
    parts: tuple[Any, ...]

    @classmethod
    def of(cls, context: Any, cells: int, size: int, samples: int) -> "_Atlas":
        """Memory on the device for so many cells of `size` pixels."""
        side = cells * size
        views = context.texture((_shaders.COLUMNS, cells**2), 4, dtype="f4")
        views.filter = (context.NEAREST, context.NEAREST)
        shadows = context.depth_texture((cells * _map_side(size),) * 2)
        shadows.compare_func = ""
        shadows.filter = (context.NEAREST, context.NEAREST)
        shadow_frame = context.framebuffer(depth_attachment=shadows)
        many = 0 if samples == 1 else samples
        drawn, depth = context.renderbuffer((side, side), 4, many), context.depth_renderbuffer((side, side), many)
        frame = context.framebuffer(drawn, depth)
        parts: tuple[Any, ...] = (views, shadows, shadow_frame, drawn, depth, frame)
        if samples == 1:
            return cls(cells, views, shadows, shadow_frame, frame, frame, parts)
        whole = context.renderbuffer((side, side), 4)
        resolved = context.framebuffer(whole)
        return cls(cells, views, shadows, shadow_frame, frame, resolved, (*parts, whole, resolved))


class OpenGL(Renderer[_Model]):
    """Rasterising on the GPU or by Mesa; `device` is the EGL device's number, by default the first real GPU.

    Threads may take turns with it; a process that was forked from this one may not use it.
    """

    name = "opengl"

    def __init__(self, size: RenderedSide, samples: Samples = 4, device: Natural | None = None) -> None:
        super().__init__(size, samples)
        self._closed = False
        self._context = _context(device)
        self._atlases: dict[int, _Atlas] = {}
        most = max(1, self._context.max_samples)
        if samples > most:
            self._context.release()
            raise ValueError(f"renderer 'opengl': {samples} samples a pixel, this driver has at most {most}")
        with self._context as context:
            self._driver = f"{context.info['GL_RENDERER']}, OpenGL {context.info['GL_VERSION']}"
            self._software = _is_software(context)
            self._shadow = _program(context, _shaders.SHADOW_VERTEX, _shaders.SHADOW_FRAGMENT)
            self._floor = _program(context, _shaders.FLOOR_VERTEX, _shaders.LIGHT + _shaders.FLOOR_FRAGMENT)
            self._object = _program(context, _shaders.OBJECT_VERTEX, _shaders.LIGHT + _shaders.OBJECT_FRAGMENT)
            for program in (self._floor, self._object):
                program["shadows"] = 1
            self._object["image"] = 2
            self._ground = context.vertex_array(self._floor, [])
            context.enable_only(context.DEPTH_TEST)
            context.depth_func = "<="
            context.front_face = "cw"  # counter-clockwise, were the picture not upside down
            for plane in range(4):
                context.enable_direct(0x3000 + plane)  # GL_CLIP_DISTANCE0 and on

    @property
    def version(self) -> str:
        """Versions of moderngl and the driver, and which device draws."""
        return f"opengl: moderngl {version_of('moderngl')}, {self._driver}, {self.samples} samples"

    @property
    def accelerated(self) -> bool:
        """Whether a GPU draws, and not Mesa on the processor."""
        return not self._software

    def place(self, meshes: Sequence[Mesh]) -> None:
        """As `Renderer.place`, with this renderer's context current."""
        with self._context:
            super().place(meshes)

    def close(self) -> None:
        """Give back the meshes, the atlas and the context."""
        if self._closed:
            return
        super().close()
        self._closed = True
        with self._context:
            for part in (*itertools.chain(*(atlas.parts for atlas in self._atlases.values())), self._ground):
                part.release()
        self._context.release()

    def _prepare(self, mesh: Mesh) -> _Model:
        faces, materials = outward(mesh), mesh.materials
        painted = np.array([i if m.texture is not None else -1 for i, m in enumerate(materials)])[mesh.face_materials]
        clear = np.array([m.opacity < 1 for m in materials])[mesh.face_materials]
        order = np.lexsort((painted, clear))
        # A vertex is kept once for each material that it belongs to.
        corners = faces[order].astype(np.int64) * len(materials) + mesh.face_materials[order, None]
        kept, index = np.unique(corners, return_inverse=True)
        vertex, material = kept // len(materials), kept % len(materials)
        look = np.array([(*m.colour, m.gloss, m.opacity) for m in materials])[material]
        # position, normal, colour, texture, gloss and opacity
        parts = (mesh.vertices[vertex], mesh.normals[vertex], look[:, :3], mesh.uv[vertex], look[:, 3:])
        context = self._context
        corner_buffer = context.buffer(np.ascontiguousarray(np.concatenate(parts, 1), np.float32))
        index_buffer = context.buffer(np.ascontiguousarray(index.ravel(), np.int32))
        full = (corner_buffer, "3f 3f 3f 2f 2f", "position", "normal", "colour", "uv", "surface")
        drawing = context.vertex_array(self._object, [full], index_buffer)
        shadow = context.vertex_array(self._shadow, [(corner_buffer, "3f 32x 2f", "position", "surface")], index_buffer)
        images = {int(i): self._texture(materials[i].texture) for i in np.unique(painted) if i >= 0}
        runs, first = [], 0
        for (through, image), group in itertools.groupby(
            zip(clear[order].tolist(), painted[order].tolist(), strict=True)
        ):
            count = 3 * len(list(group))
            runs.append(_Run(first, count, images.get(image), through))
            first += count
        return _Model(shadow, drawing, tuple(runs), (shadow, drawing, corner_buffer, index_buffer, *images.values()))

    def _texture(self, image: UInt8[np.ndarray, "h w 3"]) -> Any:
        """A texture with its halvings; averages are taken of linear values."""
        image = shrunk(image, TEXELS * self.size)
        upwards = np.ascontiguousarray(image[::-1])
        texture = self._context.texture(image.shape[1::-1], 3, upwards, internal_format=0x8C41)  # GL_SRGB8
        texture.build_mipmaps()
        return texture

    def _drop(self, placed: _Model) -> None:
        for part in placed.buffers:
            part.release()

    def _draw(self, placed: Sequence[_Model], shots: Shots) -> UInt8[np.ndarray, "b h w 3"]:
        numbers = {id(model): i for i, model in enumerate(placed)}
        order = np.argsort([numbers[id(model)] for model in placed], kind="stable")  # views of a model side by side
        rows = _rows(shots)
        out = np.empty((len(placed), self.size, self.size, 3), np.uint8)
        most = _most_cells(self.size) ** 2
        with self._context:
            for start in range(0, len(order), most):
                part = order[start : start + most]
                out[part] = self._sheet([placed[i] for i in part], rows[part])
        return out

    def _sheet(self, placed: Sequence[_Model], rows: Float32[np.ndarray, "n 7 4"]) -> UInt8[np.ndarray, "n h w 3"]:
        """The pictures of one atlas; the views of a model follow each other."""
        n, size = len(placed), self.size
        atlas = self._fitting(n)
        atlas.views.write(np.ascontiguousarray(rows), viewport=(0, 0, _shaders.COLUMNS, n))
        atlas.views.use(0)
        atlas.shadows.use(1)
        for program, side in ((self._shadow, _map_side(size)), (self._floor, size), (self._object, size)):
            program["cells"] = atlas.cells
            program["side"] = side
        groups = list(_groups(placed))
        high, wide = -(-n // atlas.cells), min(n, atlas.cells)
        atlas.shadow_frame.use()
        atlas.shadow_frame.clear(viewport=(0, 0, wide * _map_side(size), high * _map_side(size)))
        for group in groups:
            self._shadow["first"] = group.first
            group.model.shadow.render(instances=group.count)
        atlas.frame.use()
        atlas.frame.clear(viewport=(0, 0, wide * size, high * size))
        self._runs(groups, clear=False)
        self._floor["first"] = 0
        self._ground.render(self._context.TRIANGLE_STRIP, vertices=4, instances=n)
        self._see_through(groups, atlas)
        if atlas.resolved is not atlas.frame:
            self._context.copy_framebuffer(atlas.resolved, atlas.frame)
        read = atlas.resolved.read(viewport=(0, 0, wide * size, high * size), components=4)
        sheet = np.frombuffer(read, np.uint8).reshape(high, size, wide, size, 4)[..., :3]
        return sheet.transpose(0, 2, 1, 3, 4).reshape(-1, size, size, 3)[:n]

    def _runs(self, groups: Sequence[_Group], clear: bool) -> None:
        """Draw the faces that are seen through, or those that are not."""
        for group in groups:
            for run in group.model.runs:
                if run.clear is clear:
                    self._object["first"] = group.first
                    self._object["painted"] = run.texture is not None
                    if run.texture is not None:
                        run.texture.use(2)
                    group.model.drawing.render(vertices=run.count, first=run.first, instances=group.count)

    def _see_through(self, groups: Sequence[_Group], atlas: _Atlas) -> None:
        """Blend transparent faces over the rest: of each model first the sides that face away, then the others."""
        groups = [group for group in groups if any(run.clear for run in group.model.runs)]
        if not groups:
            return
        context = self._context
        context.enable(context.BLEND | context.CULL_FACE)
        context.blend_func = context.SRC_ALPHA, context.ONE_MINUS_SRC_ALPHA
        atlas.frame.depth_mask = False
        for culled in ("front", "back"):
            context.cull_face = culled
            self._runs(groups, clear=True)
        atlas.frame.depth_mask = True
        context.disable(context.BLEND | context.CULL_FACE)

    def _fitting(self, n: int) -> _Atlas:
        """The atlas for n views: its side is a power of two, so that there are few of them."""
        cells = 1 << math.isqrt(n - 1).bit_length()
        if cells not in self._atlases:
            self._atlases[cells] = _Atlas.of(self._context, cells, self.size, self.samples)
        return self._atlases[cells]


def _program(context: Any, vertex: str, fragment: str) -> Any:
    vertex = _shaders.CONSTANTS + _shaders.PLACE + vertex
    return context.program(vertex_shader=vertex, fragment_shader=_shaders.CONSTANTS + fragment)


def _groups(placed: Sequence[_Model]) -> Iterator[_Group]:
    first = 0
    for _, same in itertools.groupby(placed, key=id):
        models = list(same)
        yield _Group(models[0], first, len(models))
        first += len(models)


def _rows(shots: Shots) -> Float32[np.ndarray, "b 7 4"]:
    """What the programs read about each view: rotation and floor, lamp and beam, bounced light."""
    lamps = Lamps.of(shots)
    turns = shots.rotation.detach().cpu().numpy()
    rows = np.zeros((len(shots), _shaders.COLUMNS, 4), np.float32)
    rows[:, 0:3, :3], rows[:, 0:3, 3] = turns, lamps.floor
    rows[:, 3:6, :3], rows[:, 3:6, 3] = lamps.frame, lamps.beam
    rows[:, 6, :3] = lamps.bounce
    return rows


def _most_cells(size: int) -> int:
    """Views a side of the largest atlas, a power of two."""
    return 1 << max(1, min(_CELLS, _ATLAS // size)).bit_length() - 1


def _map_side(size: int) -> int:
    """Texels a side of a view's shadow map: about twice as fine as the picture."""
    return min(512, max(128, 2 * size))


def _is_software(context: Any) -> bool:
    return any(word in context.info["GL_RENDERER"].lower() for word in ("llvmpipe", "softpipe", "swrast"))


def _context(device: int | None) -> Any:
    """A context that needs no window: on Linux by EGL on the given device, or on the first that is a real GPU."""
    try:
        import moderngl
    except ImportError as error:
        raise UnavailableError(f"renderer 'opengl' needs moderngl ({error}); `pip install moderngl`") from error
    _load_triton()
    by_egl = sys.platform.startswith("linux")
    choices = [{}] if not by_egl else [{"backend": "egl", "device_index": i} for i in _devices(device)]
    spare, reasons = None, []
    for choice in choices:
        try:
            context = moderngl.create_context(standalone=True, require=400, **choice)
        except Exception as error:  # moderngl raises nothing narrower
            reasons.append(str(error))
            continue
        with context:
            if not _is_software(context):
                return context
        spare = spare or context
    if spare is None:
        raise UnavailableError(
            f"renderer 'opengl': no OpenGL 4.0 context can be made ({reasons[0]}); it needs a driver, "
            "such as that of the GPU or Mesa's (on Debian: libegl1 and libgl1-mesa-dri)"
        )
    return spare


def _load_triton() -> None:
    """Load triton, where torch brings it, before Mesa: each has an LLVM, and loaded after Mesa's, triton's crashes.

    torch loads it by itself when something is compiled, in the middle of a training for instance.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("triton")


def _devices(device: int | None) -> Sequence[int]:
    """Numbers of EGL devices to be tried; those that are not there are refused."""
    return range(8) if device is None else (device,)
