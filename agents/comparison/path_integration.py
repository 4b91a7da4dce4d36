"""Does a world model know where it is? Path integration over uniform fixations, the same for every run."""

from typing import Any

from jaxtyping import Float, Float32
from torch import Tensor

from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import require_lattice
from gazeworld.models.method import Method

from ..config import Compared
from ..policy import make_policy
from ..probes.features import Features, Tick, features, quiet, rollouts, scored
from ..probes.measures import path_input
from ..probes.readouts import Budget, ReadOuts, fit_regressor, fit_ridge, r2

_EPOCHS = 50  # of the paper's linear regressor (appendix A.2)


def path_integration(
    method: Method, train: ActiveVisionVectorEnv, test: ActiveVisionVectorEnv, config: Compared, tick: Tick = quiet
) -> dict[str, Any]:
    """R² and error in pixels of the displacement from view 1 to view M + 1, for M = 1 … views.

    Read from z_AGG of M views and the embedding of the next action (paper, appendix B.9), of streams with uniform
    fixations: whatever a run was trained with, all are asked about the same saccades. `rmse` is the root of the mean
    squared distance in pixels. `linear` is the paper's regressor, `ridge` one in closed form; episodes of both
    environments must have `views` steps.
    """
    tick("path integration", 0, 1)
    known = _seen(method, train, config.scenes, config.views, config.seed)
    asked = _seen(method, test, config.test_scenes, config.views, scored(config.seed))
    x, y = path_input(known), _targets(known, config.views)
    truth = _targets(asked, config.views)
    side = require_lattice(test.world, "path integration in pixels").side
    fitted = {
        "linear": fit_regressor(x, y, Budget(_EPOCHS, config.batch, config.seed)),
        "ridge": fit_ridge(x, y),
    }
    return {
        "score": "R² (mean over both axes), root of the mean squared distance in pixels",
        "scored on": {"streams": len(asked.labels), "fixations": "uniform"},
        "views": list(range(1, config.views + 1)),
        "values": {name: _scores(heads, path_input(asked), truth, side) for name, heads in fitted.items()},
    }


def _seen(method: Method, env: ActiveVisionVectorEnv, scenes: int, views: int, seed: int) -> Features:
    policy, scenes = make_policy("uniform", env.world), min(scenes, env.world.size)
    stream = rollouts(env, policy, views + 1, scenes=scenes, seed=seed)
    return features(method, stream, env.world, observed=views)


def _targets(seen: Features, views: int) -> Float32[Tensor, "m n a"]:
    return seen.displacements.transpose(0, 1)[:views].contiguous()


def _scores(
    heads: ReadOuts, x: Float[Tensor, "m n d"], truth: Float32[Tensor, "m n a"], side: int
) -> dict[str, list[float]]:
    answer = heads(x)
    apart = (answer - truth).double().square().sum(-1).mean(1).sqrt() * side
    return {"r2": r2(answer, truth).mean(1).tolist(), "rmse": apart.tolist()}
