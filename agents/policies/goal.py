"""Looking for a view that is given: planning in the world model's own latent space."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import PathText, from_mapping
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..planning.cem_mppi import KINDS, PlanConfig, plan
from ..planning.lookahead import Foresight
from ..planning.search import Grid, Ground, Search, Worth
from ..policy import Choice, Memory, Policy

Planner = Literal["grid", "cem", "mppi"]


class GoalPolicy(Policy):
    """Goes to where the view would be seen whose embedding is given, by cosine; it plans anew at every step.

    What is looked for: `aim` gives one view per episode, or the option `pose` names a place, and the goal is the view
    from the legal pose of each scene that is nearest to it.
    How: `planner` "grid" looks one step ahead (`agents.planning.search.Search` with `grid` and `refine`); "cem"
    and "mppi" search sequences of actions, whose later views are imagined (`gazeworld.agents.planning.cem_mppi`, whose
    `PlanConfig` holds the entries of `plan`). A sequence is worth 1 + the mean cosine over its steps, 0 … 2, so that
    arriving early counts.
    `model` is the folder of a run; without it, the policy looks with the model that it is attached to. `ior` switches
    inhibition of return, whose options are those of `gazeworld.envs.fixations.Inhibition`: places that turned out not
    to be the goal are left alone, and a goal that was reached is left again.
    Raises ValueError for bad options, in `act` without model or goal, and where what is foreseen is not finite.
    """

    tempered = True

    def __init__(
        self,
        world: World,
        model: PathText = "",
        pose: Sequence[float] = (),
        planner: Planner = "grid",
        *,
        grid: Grid = 9,
        refine: bool = True,
        plan: Mapping[str, Any] | None = None,
        ior: bool = True,
        **inhibition: Any,
    ) -> None:
        if plan and planner == "grid":
            raise ValueError(f"policy 'goal': plan {dict(plan)} is for the planners {', '.join(KINDS)}, not for 'grid'")
        if len(pose) not in (0, world.pose_dim):
            raise ValueError(f"policy 'goal': pose has {len(pose)} numbers, expected {world.pose_dim}")
        self._ground = Ground(world, Inhibition(**inhibition) if ior else None, "goal")
        self._search = Search(self._ground, grid=grid, refine=refine)
        self._planner, self._plan = planner, from_mapping(PlanConfig, plan or {}, "plan")
        self._foresight = Foresight("goal", world, model)
        self._pose = tuple(pose)
        self._views: Tensor | None = None

    def attach(self, method: Method) -> None:
        """Look ahead with this model, unless a run was named."""
        self._foresight.attach(method)

    def aim(self, views: UInt8[Tensor, "b c h w"]) -> None:
        """Look for these views from now on, one for each episode of the batches to come."""
        self._views = views

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The first action of the best plan."""
        if self._planner == "grid":
            return self._search.best(memory, self._worth(memory), rng)
        past, likeness = self._foresight.past(memory), self._likeness(memory)

        def along(actions: Float32[Tensor, "b n s a"]) -> Float[Tensor, "b n"]:
            foreseen = self._foresight.imagine(past, actions)
            return likeness(foreseen.flatten(1, 2)).unflatten(1, actions.shape[1:3]).mean(-1)

        if self._plan.horizon > 1:
            self._foresight.require_agreement(past, memory.views)
        actions = plan(self._planner, self._ground, memory, along, self._plan, rng)[:, 0]
        return Choice(actions, torch.full_like(actions[:, 0], torch.nan))

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """A softmax over the likeness to the goal of what would be seen next; see `Search.log_density`.

        Also with the planners "cem" and "mppi", whose later steps it leaves aside.
        """
        return self._search.log_density(memory, self._worth(memory))

    def _worth(self, memory: Memory) -> Worth:
        past, likeness = self._foresight.past(memory), self._likeness(memory)

        def worth(actions: Float32[Tensor, "b k a"]) -> Float[Tensor, "b k"]:
            return likeness(self._foresight.foresee(past, actions))

        return worth

    def _likeness(self, memory: Memory) -> Callable[[Float[Tensor, "b k d"]], Float[Tensor, "b k"]]:
        """1 + the cosine of what is foreseen and the goal of each episode."""
        goal = F.normalize(self._foresight.goals(self._wanted(memory)[:, None]), dim=-1)  # b 1 d
        return lambda foreseen: 1 + (F.normalize(foreseen, dim=-1) * goal).sum(-1)

    def _wanted(self, memory: Memory) -> UInt8[Tensor, "b c h w"]:
        """The view that each episode looks for."""
        b = len(memory.scenes)
        if self._views is not None:
            if len(self._views) != b:
                raise ValueError(f"policy 'goal' was aimed at {len(self._views)} views, but there are {b} episodes")
            return self._views
        if not self._pose:
            raise ValueError("policy 'goal' has no goal: call aim(views), or give its option 'pose'")
        world, scene = self._ground.world, self._ground.scene(memory)
        pose = torch.tensor([self._pose], dtype=torch.float32, device=world.device).expand(b, -1)
        return world.look(scene, world.snap(scene, pose))
