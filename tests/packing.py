"""A small tree in the layout of 3DIEBench, and what lies in the store that is packed from it."""

import json
from pathlib import Path

from trees import write_tree

SIZE, V, N = 16, 3, 14


def tree_at(root: Path) -> Path:
    """A tree of N objects with V views each, with index files, drawn by hand."""
    write_tree(root, views=V, side=32, index=True)
    (root / "render.json").write_text(json.dumps({"renderer": "made by hand"}))
    return root


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}
