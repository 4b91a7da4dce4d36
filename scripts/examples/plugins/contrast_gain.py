"""A reward of a package of one's own: views with much contrast; `--agent.rewards contrast_gain:ContrastReward`."""

from gymnasium.vector import VectorEnv
from jaxtyping import Float
from torch import Tensor

from gazeworld.agents import Reward
from gazeworld.agents.rl import Change


class ContrastReward(Reward):
    """By how much the standard deviation of the view's pixels, in [0, 0.5], is above that of the view before.

    With `only_gain`, less contrast costs nothing.
    """

    name = "contrast"

    def __init__(self, env: VectorEnv, *, weight: float = 1.0, only_gain: bool = False) -> None:
        super().__init__(env, weight=weight)
        self._only_gain = only_gain

    def reward(self, change: Change) -> Float[Tensor, " n"]:
        """Contrast after the action, less that before it."""
        before, after = (moment.view.flatten(1).float().std(1) / 255 for moment in (change.before, change.after))
        gain = after - before
        return gain.clamp_min(0) if self._only_gain else gain
