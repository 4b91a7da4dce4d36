"""Data sets of images on disk, as many as there may be: read when somebody looks at them.

ring            the images that are being looked at, a bounded number of them, on the world's device
read_ahead      reads what is wanted now and what is expected next, by threads
map_files       saliency maps beside images, opened: published ones and those computed here
map_manifest    what stands beside maps: which prior made them, for which images
map_codes       maps in one byte a pixel, within an error bound
"""

from typing import TYPE_CHECKING

from ..registry import face

if TYPE_CHECKING:
    from .map_files import open_maps
    from .ring import ImageStore, image_store

__all__ = ["ImageStore", "image_store", "open_maps"]

__getattr__, __dir__ = face(__name__, {"map_files": ("open_maps",), "ring": ("ImageStore", "image_store")})
