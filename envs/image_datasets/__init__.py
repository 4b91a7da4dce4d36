"""Data sets of images on disk, as many as there may be: read when somebody looks at them.

geometry        how the image of a file becomes a square: its pixels, maps of it, points in it
decoding        files decoded one by one, OpenCV's and Pillow's shares
image_index     which image files lie in a tree, found once and checked against changes
ring            the images that are being looked at, a bounded number of them, on the world's device
read_ahead      reads what is wanted now and what is expected next, by threads
map_files       saliency maps beside images, opened: published ones and those computed here
map_manifest    what stands beside maps: which prior made them, for which images
map_codes       maps in one byte a pixel, within an error bound
compute_maps    maps of a whole split by any prior, resumable, by several processes
packed_images   the format of a packed store of images, and how one is read
check_images    looks at every image and every map, and counts what is wrong
pack_images     packs the images of any source, resumable
"""

from typing import TYPE_CHECKING

from ..registry import face

if TYPE_CHECKING:
    from .check_images import check_split
    from .compute_maps import MapJob, compute_maps, merge_maps
    from .geometry import Geometry
    from .image_index import ImageIndex, open_index
    from .map_files import open_maps
    from .pack_images import PackJob, pack_images
    from .packed_images import open_packed, verify_packed
    from .ring import ImageStore, image_store

__all__ = [
    "Geometry",
    "ImageIndex",
    "ImageStore",
    "MapJob",
    "PackJob",
    "check_split",
    "compute_maps",
    "image_store",
    "merge_maps",
    "open_index",
    "open_maps",
    "open_packed",
    "pack_images",
    "verify_packed",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "check_images": ("check_split",),
        "compute_maps": ("MapJob", "compute_maps", "merge_maps"),
        "geometry": ("Geometry",),
        "image_index": ("ImageIndex", "open_index"),
        "map_files": ("open_maps",),
        "pack_images": ("PackJob", "pack_images"),
        "packed_images": ("open_packed", "verify_packed"),
        "ring": ("ImageStore", "image_store"),
    },
)
