"""Inverse dynamics: how well the own action can be told from the views before and after it."""

import torch
from gymnasium.vector import VectorEnv
from jaxtyping import Float
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Epochs, PositiveAmount, Seed, Width

from ..probes.features import features
from ..rl.memory import Change, model_of
from ..rl.reward import Head, Reward, batches


class InverseDynamicsReward(Reward):
    """Minus the mean squared error of a small network that infers the action from two embeddings (SUGARL's signal).

    Actions are divided by half the range of the world's action bounds, so an error of 1 is that of a guess at the
    middle when the truth is a bound. The network has one hidden layer of `hidden` ReLU units. `prepare` trains it on
    pairs of successive views; with `learning` it takes one step of Adam after every step of the environment. The
    reward favours views between which the own movement is visible (Active-Gym, arXiv 2306.00975).
    Raises ValueError without a world model.
    """

    name = "inverse-dynamics"

    def __init__(
        self,
        env: VectorEnv,
        *,
        weight: float = 1.0,
        learning: bool = True,
        hidden: Width = 128,
        lr: PositiveAmount = 1e-3,
        epochs: Epochs = 20,
        seed: Seed = 0,
    ) -> None:
        super().__init__(env, weight=weight)
        method, world = model_of(self.memory, "reward 'inverse-dynamics'"), self.memory.base.world
        widths = (2 * method.view_dim, hidden, world.action_dim)
        self._head = Head(widths, seed=seed, device=world.device, lr=lr)
        self._half = (world.action_bounds[1] - world.action_bounds[0]) / 2
        self._learning, self._epochs, self._seed = learning, epochs, seed

    def head(self) -> Head:
        """The network that infers actions."""
        return self._head

    def reward(self, change: Change) -> Float[Tensor, " n"]:
        """Minus the error of each row."""
        with torch.no_grad():
            return -self._errors(change)

    def learn(self, change: Change) -> None:
        """One step of Adam on the rows that moved."""
        if self._learning:
            self._head.descend((self._errors(change) * change.moved).sum() / change.moved.sum().clamp_min(1))

    def prepare(self, streams: Stream) -> dict[str, float]:
        """Train the network on all pairs of successive views; gives the error of the last pass."""
        world = self.memory.base.world
        z = features(model_of(self.memory, self.name), streams, world, observed=streams.length).encodings  # n t d
        x = torch.cat([z[:, :-1], z[:, 1:]], -1).flatten(0, 1)  # n t-1 2d -> pairs 2d
        y = streams.actions.to(x.device).flatten(0, 1) / self._half
        self._head.standardise(x)
        for rows in batches(len(x), 256, self._epochs, self._seed):
            rows = rows.to(x.device)
            self._head.descend((self._head(x[rows]) - y[rows]).square().mean())
        with torch.no_grad():
            return {"reward/inverse_dynamics_error": float((self._head(x) - y).square().mean())}

    def _errors(self, change: Change) -> Float[Tensor, " n"]:
        both = torch.cat([change.before.encoded, change.after.encoded], 1)
        return (self._head(both) - change.action / self._half).square().mean(1)
