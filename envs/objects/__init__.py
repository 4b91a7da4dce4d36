"""Objects that can be turned: the stage they stand on, stored views of them, and how these are drawn.

rotations   quaternions, and Region: the rotations that objects are seen in
stage       camera, lights, floor and colours of 3DIEBench; latents, the seven numbers of a view
renderer    Renderer, the contract of `gazeworld.envs.renderers`, and make_renderer
views       how a rotation world gets its views: stored, or drawn on the spot
gallery     Gallery (views in memory, mapped, or JPEGs) and Objects (a split with labels and latents)
rendered    sources whose views are drawn when first asked for, and cached
splits      which objects are for training and which for the test
"""

from typing import TYPE_CHECKING

from ..registry import face

if TYPE_CHECKING:
    from .gallery import ArrayGallery, FolderGallery, Gallery, Objects
    from .renderer import Renderer, UnavailableError, make_renderer
    from .rotations import REGIONS, Region
    from .stage import LATENTS, Shots
    from .views import LiveViews, StoredViews, Views

__all__ = [
    "LATENTS",
    "REGIONS",
    "ArrayGallery",
    "FolderGallery",
    "Gallery",
    "LiveViews",
    "Objects",
    "Region",
    "Renderer",
    "Shots",
    "StoredViews",
    "UnavailableError",
    "Views",
    "make_renderer",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "rotations": ("REGIONS", "Region"),
        "stage": ("LATENTS", "Shots"),
        "renderer": ("Renderer", "UnavailableError", "make_renderer"),
        "views": ("LiveViews", "StoredViews", "Views"),
        "gallery": ("ArrayGallery", "FolderGallery", "Gallery", "Objects"),
    },
)
