"""Gaze: how much a policy looks as people do, fixation by fixation and path by path.

run_gaze         score_run: the policies of a run, in one call
scoring          score_gaze: policies, baselines and the ceiling in any world
observed         people's paths on the legal fixations of a world, and the memory of having looked so
contenders       whatever says where somebody looks next: policies at work
baselines        the centre prior, and where other people look on the same image
cross_fitting    few numbers fitted to the other images
fixation_scores  log-likelihood, NSS and AUC of each fixation given its history
path_scores      scan paths compared, and the ceiling by other people
multimatch       MultiMatch
scanmatch        ScanMatch
recurrence       cross-recurrence: determinism, laminarity, centre of recurrence mass
warping          alignments, and dynamic time warping
summary          means, intervals over images, scores by order
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from .multimatch import Saccades, Simplification, multimatch
    from .recurrence import cross_recurrence
    from .run_gaze import Looked, RunGaze, score_run
    from .scanmatch import ScanMatch
    from .scoring import Example, GazeScores, score_gaze
    from .warping import dynamic_time_warping

__all__ = [
    "Example",
    "GazeScores",
    "Looked",
    "RunGaze",
    "Saccades",
    "ScanMatch",
    "Simplification",
    "cross_recurrence",
    "dynamic_time_warping",
    "multimatch",
    "score_gaze",
    "score_run",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "run_gaze": ("Looked", "RunGaze", "score_run"),
        "scoring": ("Example", "GazeScores", "score_gaze"),
        "multimatch": ("Saccades", "Simplification", "multimatch"),
        "scanmatch": ("ScanMatch",),
        "recurrence": ("cross_recurrence",),
        "warping": ("dynamic_time_warping",),
    },
)
