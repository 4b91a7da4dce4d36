"""Looking where an ensemble of predictor heads disagrees most about what will be seen."""

from jaxtyping import Float
from torch import Tensor

from ..planning.ensemble import Ensemble
from ..planning.ensemble_policy import EnsemblePolicy
from ..planning.lookahead import Past


class DisagreementPolicy(EnsemblePolicy):
    """Goes to the view about which predictor heads disagree most (Pathak et al. 2019, with heads on a frozen model).

    The worth of a candidate is the variance of the heads' predicted directions, 1 − |mean of the unit vectors|², 0 … 1.
    `model` is the folder of a run; without it, the policy looks with the model that it is attached to. `ensemble` is
    the folder that `gazeworld fit-ensemble` wrote for that model ("": folder `ensemble` of the run `model`); `equip`
    gives it one in Python. `grid` and `refine` say which candidates there are
    (`gazeworld.agents.planning.search.Search`), `ior` switches inhibition of return, whose options are those of
    `gazeworld.envs.fixations.Inhibition`.
    Raises ValueError for bad options, in `act` without model or ensemble, and where what is foreseen is not finite;
    CheckpointError for an ensemble that was fitted for another model.
    """

    name = "disagreement"

    def worth(self, ensemble: Ensemble, past: Past, foreseen: Float[Tensor, "j b k d"]) -> Float[Tensor, "b k"]:
        """The variance of the heads' unit vectors: 0 where all foresee the same, up to 1."""
        return ensemble.disagreement(foreseen)
