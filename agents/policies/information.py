"""Looking where the next view is expected to say most about what the scene shows."""

from jaxtyping import Float
from torch import Tensor

from ..planning.ensemble import Ensemble
from ..planning.ensemble_policy import EnsemblePolicy
from ..planning.lookahead import Past


class InformationPolicy(EnsemblePolicy):
    """Goes to the view with the largest expected information gain about the label (BALD, Houlsby et al. 2011).

    The worth of a candidate, in nats, is the entropy of the mean over heads of p(y | z_AGG, predicted embedding) minus
    the mean of their entropies: what the heads' disagreement about the next view means for the label. A single head,
    or heads that agree, give zero everywhere; then all candidates are equally likely. `model` is the folder of a run;
    without it, the policy looks with the model that it is attached to. `ensemble` is the folder that
    `gazeworld fit-ensemble` wrote for that model ("": folder `ensemble` of the run `model`), fitted on labelled
    streams; `equip` gives it one in Python. `grid` and `refine` say which candidates there are
    (`gazeworld.agents.planning.search.Search`), `ior` switches inhibition of return, whose options are those of
    `gazeworld.envs.fixations.Inhibition`.
    Raises ValueError for bad options, in `act` without model, ensemble or label head, and where what is foreseen is not
    finite; CheckpointError for an ensemble that was fitted for another model.
    """

    name = "information"

    def worth(self, ensemble: Ensemble, past: Past, foreseen: Float[Tensor, "j b k d"]) -> Float[Tensor, "b k"]:
        """What the next view is expected to say about the label, in nats."""
        return ensemble.information(past.aggregate, foreseen)
