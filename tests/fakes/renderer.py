"""A studio without OpenGL: a renderer that paints what it was asked for, and items that cost nothing to load."""

import colorsys
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gazeworld.envs.files import DataError
from gazeworld.envs.meshes.mesh import Item, Mesh
from gazeworld.envs.object_datasets import render_tree
from gazeworld.envs.object_datasets.render_tree import Report, StudioConfig
from gazeworld.envs.objects.renderer import Renderer
from gazeworld.envs.objects.stage import Shots

CONFIG = StudioConfig(size=16, views=5)


class Painter(Renderer[str]):
    """Fills the picture with the floor's hue, and notes in its lower left pixels which mesh it was."""

    name = "painter"

    def __init__(self, size: int, samples: int = 4, kill_at: int = 0) -> None:
        super().__init__(size, samples)
        self.calls, self.kill_at, self.thread = 0, kill_at, threading.current_thread()

    @property
    def version(self) -> str:
        return "painter 1"

    def _prepare(self, mesh: Mesh) -> str:
        if mesh.name.endswith("/black"):
            raise DataError(f"{mesh.name}: too dark to be drawn")
        return mesh.name

    def _drop(self, placed: str) -> None:
        pass

    def _draw(self, placed: Sequence[str], shots: Shots) -> np.ndarray:
        assert threading.current_thread() is self.thread
        self.calls += 1
        if self.calls == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        hues = [colorsys.hsv_to_rgb(float(hue), 0.6, 0.8) for hue in shots.floor_hue]
        images = np.empty((len(placed), self.size, self.size, 3), np.uint8)
        images[:] = np.round(np.array(hues) * 255)[:, None, None]
        images[:, -1, : self.size // 2] = np.array([sum(name.encode()) % 256 for name in placed])[:, None, None]
        return images


def triangle(name: str) -> Mesh:
    corners = np.eye(3, dtype=np.float32)
    faces, material = np.array([[0, 1, 2]], np.int32), np.zeros(1, np.int32)
    return Mesh(name, corners, corners, faces, corners[:, :2], material)


def item(key: str, credit: str = "") -> Item:
    return Item(key.partition("/")[0], key, lambda: triangle(key), credit)


def broken(key: str, error: Exception) -> Item:
    """An object that cannot be loaded."""

    def load() -> Mesh:
        raise error

    return Item(key.partition("/")[0], key, load)


def items(per_class: int = 6, classes: Sequence[str] = ("chair", "table")) -> list[Item]:
    return [item(f"{name}/{i:02d}", f"Wood & Sons, {name} {i}, CC0") for name in classes for i in range(per_class)]


def files(out: Path) -> dict[str, bytes]:
    """Everything in sight of a rendered set, by name."""
    paths = [path.relative_to(out) for path in out.rglob("*") if path.is_file()]
    return {str(path): (out / path).read_bytes() for path in paths if not any(p.startswith(".") for p in path.parts)}


def render(out: Path, config: StudioConfig = CONFIG, things: list[Item] | None = None, **options: Any) -> Report:
    return render_tree.render(things or items(), out, config, Painter(config.size), **options)


def killed(out: Path, where: str, at: int) -> None:
    """Run the studio until it kills its own process: drawing the `at`-th object, or half-way through that file."""
    write, calls = Path.write_bytes, []

    def half(path: Path, data: bytes) -> int:
        calls.append(path)
        if where == "write" and len(calls) == at:
            write(path, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(path, data)

    Path.write_bytes = half  # type: ignore[method-assign, assignment]
    render_tree.render(items(), out, CONFIG, Painter(CONFIG.size, kill_at=at if where == "draw" else 0))


if __name__ == "__main__":
    killed(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
