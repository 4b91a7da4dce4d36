"""Looking where an ensemble of predictor heads disagrees most about what will be seen."""

from typing import Any

from jaxtyping import Float, Float32
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import PathText
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..planning.ensemble import Ensemble, EnsembleOf
from ..planning.lookahead import Foresight
from ..planning.search import Grid, search_of
from ..policy import Choice, Memory, Policy


class DisagreementPolicy(Policy):
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

    def __init__(
        self,
        world: World,
        model: PathText = "",
        ensemble: PathText = "",
        grid: Grid = 9,
        refine: bool = False,
        ior: bool = True,
        **inhibition: Any,
    ) -> None:
        self._search = search_of("disagreement", world, grid=grid, refine=refine, ior=ior, inhibition=inhibition)
        self._foresight = Foresight("disagreement", world, model)
        self._ensemble = EnsembleOf(self._foresight, model, ensemble)

    def attach(self, method: Method) -> None:
        """Look ahead with this model, unless a run was named."""
        self._foresight.attach(method)
        self._ensemble.attach()

    def equip(self, ensemble: Ensemble) -> None:
        """Use this ensemble, which was fitted for the policy's model."""
        self._ensemble.equip(ensemble)

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to the view about which the heads disagree most."""
        past, heads = self._foresight.past(memory), self._ensemble.get()

        def worth(actions: Float32[Tensor, "b k a"]) -> Float[Tensor, "b k"]:
            return heads.disagreement(heads.foresee(self._foresight.method, past.aggregate, actions))

        return self._search.best(memory, worth, rng)
