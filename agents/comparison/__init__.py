"""Comparison: fixation policies swapped in frozen world models, on the same images from the same first fixations.

compare_runs      compare_runs: everything below for runs, in one call
contest           contest: the protocol in one world model, with probes retrained for every policy and one for all
contestants       who takes part: controls, planners, what was learnt
oracle            the greedy oracle, an upper bound
streams           what a policy has looked at, and the accuracy of the whole image
statistics        accuracies, paired bootstrap, shares of the gap, glimpses needed, the 2 × 2 of runs and policies
path_integration  how far each world model knows where it has come to
fixation_maps     where policies look, and how much they look at the same places
controls          does it matter that a map is that of this image: ten conditions, each with world models of its own
cost              pixels seen and operations spent
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from . import controls, fixation_maps
    from .compare_runs import compared_as
    from .contest import Contest, Field
    from .contestants import Contestant, Gaze, standard
    from .cost import Cost
    from .oracle import GreedyOracle
    from .statistics import summary, two_by_two
    from .streams import Visit, whole_image

__all__ = [
    "Contest",
    "Contestant",
    "Cost",
    "Field",
    "Gaze",
    "GreedyOracle",
    "Visit",
    "compared_as",
    "controls",
    "fixation_maps",
    "standard",
    "summary",
    "two_by_two",
    "whole_image",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "compare_runs": ("compared_as",),
        "contest": ("Contest", "Field"),
        "contestants": ("Contestant", "Gaze", "standard"),
        "oracle": ("GreedyOracle",),
        "statistics": ("summary", "two_by_two"),
        "streams": ("Visit", "whole_image"),
        "controls": (),
        "fixation_maps": (),
        "cost": ("Cost",),
    },
)
