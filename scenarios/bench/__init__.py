"""Speeds, measured beside what one would use otherwise; `gazeworld bench KIND` runs them.

rollout   glimpses per second of the vector environment, beside a Dataset and DataLoader
views     views of objects per second, packed and live
sb3       steps per second through the adapter for Stable-Baselines3
images    images of a tree of ImageNet's layout found and read, beside ImageFolder and DataLoader
step      where the time of a training step goes
priors    milliseconds for a map, by every prior of fixations
methods   training steps of every method at an equal batch
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from .images import images_bench
    from .methods import methods_bench
    from .priors import priors_bench
    from .rollout import rollout_bench
    from .sb3 import sb3_bench
    from .step import step_bench
    from .views import views_bench

__all__ = [
    "images_bench",
    "methods_bench",
    "priors_bench",
    "rollout_bench",
    "sb3_bench",
    "step_bench",
    "views_bench",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "rollout": ("rollout_bench",),
        "images": ("images_bench",),
        "views": ("views_bench",),
        "sb3": ("sb3_bench",),
        "step": ("step_bench",),
        "methods": ("methods_bench",),
        "priors": ("priors_bench",),
    },
)
