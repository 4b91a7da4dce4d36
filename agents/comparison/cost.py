"""What looking costs: pixels seen and floating-point operations, of the world model and of the choice of fixations.

Counted are products of matrices and convolutions, two operations for a multiply-add (torch's FlopCounterMode); what is
added, compared, pooled or looked up is not, so a draw from a table of saliency counts nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from gazeworld.envs.prior import make_prior, parsed
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World
from gazeworld.models.method import Method, frozen

from ..config import Compared
from ..file_schemas import PolicyFacts, read_fields
from ..policy import Memory, Policy, begun, stepped
from ..rl.observations import with_periphery
from ..run_folder import PolicyFolder
from ..training.loop import POLICY
from .contestants import Contestant, policy_folder

T = TypeVar("T")
_EPISODES = 2  # whose mean is the cost of one


@dataclass(frozen=True)
class Cost:
    """Pixels and operations of one episode; lists go over M = 1 … views.

    `pixels` are those of the M glimpses, `beside` how many others the choice of fixations looks at: the whole image of
    a saliency map, all candidates of the oracle. `model` is what the world model spends on M glimpses, once each, and
    their aggregate; `decision` what the policy spends per decision as it is written, `once` what a map costs per image.
    """

    pixels: list[int]
    beside: int
    model: list[float]
    decision: float
    once: float


def cost_of(
    env: ActiveVisionVectorEnv, policy: Policy, contestant: Contestant, config: Compared, model: list[float]
) -> Cost:
    """The costs of a policy in a world, measured on two episodes; `model` is what `model_cost` gives."""
    world, own = env.world, 0.0
    _, h, w = world.view_shape
    rng = Draws.rows(config.seed, _EPISODES, device=world.device)
    memory = _begun(world, rng)
    for i in range(1, config.views):
        choice, spent = _counted(partial(policy.act, memory, rng.fold(POLICY).fold(i)))
        own += spent
        memory = stepped(world, memory, choice.action)
    return Cost(
        [m * h * w for m in range(1, config.views + 1)],
        _beside(world, contestant, config),
        model,
        own / _EPISODES / (config.views - 1),
        _once(world, contestant),
    )


def model_cost(method: Method, world: World, config: Compared) -> list[float]:
    """Operations of the world model for 1 … views glimpses, encoded once each, and their aggregate."""
    device, memory = next(method.parameters()).device, _begun(world, Draws.rows(0, 1, device=world.device))
    found = []
    for m in range(1, config.views + 1):
        views = memory.views.expand(-1, m, -1, -1, -1).to(device)
        actions = torch.zeros(1, m - 1, world.action_dim, dtype=torch.float32, device=device)
        with frozen(method):
            found.append(_counted(partial(method.represent, views, actions))[1])
    return found


def _begun(world: World, rng: Draws) -> Memory:
    """As many episodes as there are streams, after their first views."""
    return begun(world, world.scene(torch.arange(len(rng), device=world.device) % world.size, rng))


def _counted(work: Callable[[], T]) -> tuple[T, float]:
    """What some work gives, and the operations that it took."""
    with _products_seen(), FlopCounterMode(display=False) as counter:
        found = work()
    return found, float(counter.get_total_flops())


@contextmanager
def _products_seen() -> Iterator[None]:
    """Transformers whose layers run one product after the other: fused ones would hide them from the counter."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _beside(world: World, contestant: Contestant, config: Compared) -> int:
    _, h, w = world.view_shape
    if contestant.kind == "oracle":
        return config.grid**2 * h * w
    if contestant.kind == "learned":
        folder = policy_folder(Path(contestant.policy["path"]))
        assert folder is not None
        data = read_fields(PolicyFolder(folder).facts, PolicyFacts)
        extra = [shape for shape, *_ in world.extra_spaces().values()] if data["observation"] == "pixels" else []
        wide = with_periphery(data["observation"], world)
        if wide is not None:
            extra.append(wide)
        return sum(shape[0] * shape[1] for shape in extra)
    return world.images.side**2 if _reads_images(contestant) and world.images is not None else 0


def _reads_images(contestant: Contestant) -> bool:
    return parsed(contestant.policy.get("map", "uniform"))[1] not in ("uniform", "centre")


def _once(world: World, contestant: Contestant) -> float:
    prior = make_prior(parsed(contestant.policy.get("map", "uniform"))[1], **contestant.policy.get("map_options", {}))
    if world.images is None or prior.stored:
        return 0.0
    first = world.images.batch(torch.zeros(1, dtype=torch.int64))
    return _counted(partial(prior.log_density, first.to(world.device)))[1]
