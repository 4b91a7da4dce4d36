"""What policies share that plan one step ahead with an ensemble; each of them says what a candidate is worth."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Float, Float32
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import PathText
from gazeworld.envs.world import World
from gazeworld.models.method import CheckpointError, Method

from ..policy import Choice, Memory, Policy
from ..run_folder import RunFolder
from ..training.checkpoint import signature
from .ensemble import Ensemble, load_ensemble
from .lookahead import Foresight, Past
from .search import Grid, Worth, search_of


class EnsembleOf:
    """The ensemble that a policy uses: the one in a folder, or one that it was given in Python.

    `folder` "" stands for the folder `ensemble` of the run `model`, if there is one. Errors as of `load_ensemble`.
    """

    def __init__(self, foresight: Foresight, model: str, folder: str) -> None:
        self._foresight = foresight
        self._ensemble: Ensemble | None = None
        beside = RunFolder(Path(model)).ensemble_found
        self._folder = Path(folder) if folder else beside if model and beside.is_dir() else None
        if model and self._folder is not None:
            self._ensemble = load_ensemble(self._folder, foresight.method)

    def attach(self) -> None:
        """Hear that the policy was attached: an ensemble of another model is dropped, that of a folder read."""
        if self._foresight.fixed:
            return
        if self._folder is not None:
            self._ensemble = load_ensemble(self._folder, self._foresight.method)
        elif self._ensemble is not None and self._ensemble.model != signature(self._foresight.method):
            self._ensemble = None

    def equip(self, ensemble: Ensemble) -> None:
        """Use this one. Raises CheckpointError where it was fitted for another model than the policy's."""
        own = signature(self._foresight.method)
        if ensemble.model != own:
            given = f"an ensemble for the model {ensemble.model}"
            raise CheckpointError(f"{given} was given to a policy whose model is {own}")
        self._ensemble = ensemble

    def get(self) -> Ensemble:
        """The ensemble. Raises ValueError where there is none."""
        if self._ensemble is None:
            raise ValueError(
                f"policy {self._foresight.policy!r} has no ensemble: name its folder as the option 'ensemble', or fit "
                "one with gazeworld.agents.planning.ensemble.fit_ensemble and give it to equip()"
            )
        return self._ensemble


class EnsemblePolicy(Policy, ABC):
    """Goes to the candidate of the greatest worth, by what every head of an ensemble foresees of it.

    A subclass says its `name`, which stands in error messages, and the `worth` of candidates; its docstring says what
    the options mean, which are those of `Search`, `Foresight` and `EnsembleOf`, and of Inhibition. Raises ValueError
    for bad ones, in `act` without model or ensemble, and where what is foreseen is not finite; CheckpointError for an
    ensemble that was fitted for another model.
    """

    name: ClassVar[str]
    tempered = True

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
        self._search = search_of(self.name, world, grid=grid, refine=refine, ior=ior, inhibition=inhibition)
        self._foresight = Foresight(self.name, world, model)
        self._ensemble = EnsembleOf(self._foresight, model, ensemble)

    @abstractmethod
    def worth(self, ensemble: Ensemble, past: Past, foreseen: Float[Tensor, "j b k d"]) -> Float[Tensor, "b k"]:
        """What k candidates of every episode are worth, at least 0, by what each head foresees of them."""

    def attach(self, method: Method) -> None:
        """Look ahead with this model, unless a run was named."""
        self._foresight.attach(method)
        self._ensemble.attach()

    def equip(self, ensemble: Ensemble) -> None:
        """Use this ensemble, which was fitted for the policy's model."""
        self._ensemble.equip(ensemble)

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to the view of the greatest worth."""
        return self._search.best(memory, self._worth(memory), rng)

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """A softmax over what all places are worth; see `Search.log_density`."""
        return self._search.log_density(memory, self._worth(memory))

    def _worth(self, memory: Memory) -> Worth:
        past, ensemble = self._foresight.past(memory), self._ensemble.get()

        def worth(actions: Float32[Tensor, "b k a"]) -> Float[Tensor, "b k"]:
            return self.worth(ensemble, past, ensemble.foresee(self._foresight.method, past.aggregate, actions))

        return worth
