"""Planning: where to look next by what a world model predicts, and how far its predictions can be trusted.

How actions are searched
    search           Search: the best next pose by worth and inhibition of return, one step ahead
    cem_mppi         sequences of actions by the cross-entropy method and by MPPI
What they are worth
    lookahead        a policy's world model, asked about all candidates in one call
    ensemble         Ensemble: predictors that disagree where little was learnt, and a label head; fitted and kept
    ensemble_policy  EnsemblePolicy: what policies share that plan with an ensemble
    imagination      the model rolled forward from its own predictions, and the error of such rollouts
How well it works
    goal_reaching    reach: is a place found whose embedding is given? Beside chance and baselines without a model
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from ..config import EnsembleConfig, ReachConfig
    from .cem_mppi import PlanConfig, plan
    from .ensemble import Ensemble, fit_ensemble, load_ensemble, save_ensemble
    from .goal_reaching import reach, seekers
    from .imagination import imagine
    from .lookahead import Foresight
    from .search import Ground, Search

__all__ = [
    "Ensemble",
    "EnsembleConfig",
    "Foresight",
    "Ground",
    "PlanConfig",
    "ReachConfig",
    "Search",
    "fit_ensemble",
    "imagine",
    "load_ensemble",
    "plan",
    "reach",
    "save_ensemble",
    "seekers",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "search": ("Ground", "Search"),
        "cem_mppi": ("PlanConfig", "plan"),
        "lookahead": ("Foresight",),
        "ensemble": ("Ensemble", "EnsembleConfig", "fit_ensemble", "load_ensemble", "save_ensemble"),
        "imagination": ("imagine",),
        "goal_reaching": ("ReachConfig", "reach", "seekers"),
    },
)
