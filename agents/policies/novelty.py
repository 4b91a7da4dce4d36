"""Looking where the world model foresees something unlike all that has been seen."""

from typing import Any

import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import PathText
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..planning.lookahead import Foresight
from ..planning.search import Grid, Worth, search_of
from ..policy import Choice, Memory, Policy


class NoveltyPolicy(Policy):
    """Goes to the view whose predicted embedding is farthest from those of the views seen (latent novelty).

    The worth of a candidate is its smallest cosine distance, 0 … 2, to the target's embeddings of the episode's views.
    `model` is the folder of a run; without it, the policy looks with the model that it is attached to. `grid` and
    `refine` say which candidates there are (`agents.planning.search.Search`), `ior` switches inhibition of return,
    whose options are those of `gazeworld.envs.fixations.Inhibition`.
    Raises ValueError for bad options, in `act` without a model, and where what is foreseen is not finite.
    """

    tempered = True

    def __init__(
        self,
        world: World,
        model: PathText = "",
        grid: Grid = 9,
        refine: bool = False,
        ior: bool = True,
        **inhibition: Any,
    ) -> None:
        self._search = search_of("novelty", world, grid=grid, refine=refine, ior=ior, inhibition=inhibition)
        self._foresight = Foresight("novelty", world, model)

    def attach(self, method: Method) -> None:
        """Look ahead with this model, unless a run was named."""
        self._foresight.attach(method)

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to the most novel view."""
        return self._search.best(memory, self._worth(memory), rng)

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """A softmax over the novelty of all places; see `Search.log_density`."""
        return self._search.log_density(memory, self._worth(memory))

    def _worth(self, memory: Memory) -> Worth:
        past = self._foresight.past(memory)
        seen = F.normalize(self._foresight.goals(memory.views), dim=-1)  # b t d

        def worth(actions: Float32[Tensor, "b k a"]) -> Float[Tensor, "b k"]:
            foreseen = F.normalize(self._foresight.foresee(past, actions), dim=-1)  # b k d
            return 1 - torch.einsum("bkd,btd->bkt", foreseen, seen).amax(-1)

        return worth
