"""Looking where an agent of Stable-Baselines3 has learnt to look."""

from pathlib import Path

from jaxtyping import Float32
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import PathText
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..policy import Choice, Memory, Policy
from ..run_folder import PolicyFolder
from ..training.checkpoint import latest, load_method


class SB3Policy(Policy):
    """A policy that PPO, RecurrentPPO, MaskablePPO, SAC or CrossQ has learnt, at work in any scenario.

    `path` is a folder with `policy.json` and `policy.safetensors` (`gazeworld.agents.rl.saving.save_policy`), or that
    of a run whose newest checkpoint holds them. SB3's own zip files are refused: opening one runs code. `model` is the
    folder of the run whose world model the policy looks with; "" means the one that the policy is attached to. With
    `deterministic` the likeliest action is taken, otherwise one is drawn, from `rng` alone.
    The policy sees exactly what it saw in training: in episodes longer than those, the share of the episode stays 1.
    `log_prob` is a log-probability for discrete actions, a log-density for continuous actions (before clipping).
    Raises ValueError for a policy of another world, glimpse or action space, for a network that gives NaN, and in act()
    where a world model is needed and there is none; CheckpointError for damaged files, MissingExtraError without the
    extra `rl`.
    """

    def __init__(self, world: World, path: PathText = "", model: PathText = "", deterministic: bool = False) -> None:
        if not path:
            raise ValueError("policy 'sb3' needs the option path: the folder of a saved policy, or of a run")
        from ..rl.acting import Actor  # late: Stable-Baselines3 is an extra

        own = PolicyFolder(Path(path))
        newest = None if own.facts.is_file() else latest(own.checkpoints)
        self._actor = Actor.load(own.path if newest is None else newest.path, world)
        self._method: Method | None = None
        self._fixed, self._deterministic = False, deterministic
        if model:
            self.attach(load_method(Path(model), world)[0])
            self._fixed = True

    def attach(self, method: Method) -> None:
        """Look with this world model, unless one was named. Raises ValueError if it is not as wide as in training."""
        if not self._fixed:
            self._actor.require_model(method)
            self._method = method

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The next action of every episode."""
        return self._actor.act(self._method, memory, rng, deterministic=self._deterministic)

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """Where the next action leads: see `gazeworld.agents.rl.acting.Actor.log_density`."""
        return self._actor.log_density(self._method, memory, deterministic=self._deterministic)
