"""Data sets of images on disk, as many as there may be: read when somebody looks at them.

map_files       saliency maps beside images, opened: published ones and those computed here
map_manifest    what stands beside maps: which prior made them, for which images
map_codes       maps in one byte a pixel, within an error bound
"""

from typing import TYPE_CHECKING

from ..registry import face

if TYPE_CHECKING:
    from .map_files import open_maps

__all__ = ["open_maps"]

__getattr__, __dir__ = face(__name__, {"map_files": ("open_maps",)})
