"""Data sets of objects on disk, in the layout of 3DIEBench: drawn, read, packed and looked at.

render_tree     the studio: draws the views of a collection into such a tree, on several machines if need be
tree            reads a tree; tree_index its splits and classes
tree_records    writes one object of a tree whole or not at all; tree_summary what stands beside the objects
pack_tree       packs a tree into a store of raw views, and verifies one
packed_store    the format of a store, which any number of processes map
contact_sheet   a few views of every class on one picture
"""

from typing import TYPE_CHECKING

from ..registry import face

if TYPE_CHECKING:
    from . import contact_sheet
    from .pack_tree import pack, verify
    from .packed_store import Manifest, read_manifest
    from .render_tree import Report, StudioConfig, render
    from .tree import Listing, read_tree

__all__ = [
    "Listing",
    "Manifest",
    "Report",
    "StudioConfig",
    "contact_sheet",
    "pack",
    "read_manifest",
    "read_tree",
    "render",
    "verify",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "render_tree": ("Report", "StudioConfig", "render"),
        "tree": ("Listing", "read_tree"),
        "pack_tree": ("pack", "verify"),
        "packed_store": ("Manifest", "read_manifest"),
        "contact_sheet": (),
    },
)
