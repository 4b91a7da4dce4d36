"""Recognition gain: how much a glimpse adds to the log-probability of the right label."""

import torch
from gymnasium.vector import VectorEnv
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Epochs, MaybeWidth, PositiveAmount, Rows, Seed

from ..probes.features import FULL, features
from ..probes.readouts import require_labels
from ..rl.memory import Change, Moment, model_of
from ..rl.reward import Head, Reward, batches


class RecognitionReward(Reward):
    """log p(y | z_AGG now) − log p(y | z_AGG before), read by a probe of the frozen aggregate.

    Rewards of an episode add up to the gain over its first glimpse, in nats. The probe is one head for every number of
    views: linear, or with `hidden` units a network with one hidden layer, which can tell whether what is seen is what
    was asked for. `prepare` trains it on labelled streams (Adam, `epochs` passes in batches of `batch`); with
    `learning` it takes one more step of Adam after every step of the environment, and then the same glimpse may earn
    another reward later. `lr` is Adam's rate, `seed` the head's and the batches'.
    Raises ValueError for scenes without a label, for fewer than two classes, and without a world model.
    """

    name = "recognition"

    def __init__(
        self,
        env: VectorEnv,
        *,
        weight: float = 1.0,
        hidden: MaybeWidth = 0,
        learning: bool = True,
        lr: PositiveAmount = 1e-3,
        epochs: Epochs = 50,
        batch: Rows = 256,
        seed: Seed = 0,
    ) -> None:
        super().__init__(env, weight=weight)
        method, world = model_of(self.memory, "reward 'recognition'"), self.memory.base.world
        self._classes = len(world.classes)
        if self._classes < 2:
            found = "are all of one class" if self._classes else "have no labels"
            raise ValueError(
                f"reward 'recognition' needs scenes of two classes or more, and those of this world {found}; "
                "representation, prediction-error, inverse-dynamics and coverage need none"
            )
        widths = (method.aggregate_dim, *((hidden,) if hidden else ()), self._classes)
        self._head = Head(widths, seed=seed, device=world.device, lr=lr)
        self._learning, self._epochs, self._batch, self._seed = learning, epochs, batch, seed

    def head(self) -> Head:
        """The probe."""
        return self._head

    def reward(self, change: Change) -> Float[Tensor, " n"]:
        """The gain of each row."""
        return self._log_prob(change.after, change.labels) - self._log_prob(change.before, change.labels)

    def begin(self, rows: Int64[Tensor, " k"]) -> None:
        """Look whether the new scenes have labels."""
        labels = self.memory.labels[rows]
        bad = ((labels < 0) | (labels >= self._classes)).nonzero()[:, 0]
        if len(bad):
            row, label = int(rows[bad[0]]), int(labels[bad[0]])
            raise ValueError(
                f"reward 'recognition' needs labels 0 … {self._classes - 1}, and scene "
                f"{int(self.memory.scenes[row])} of row {row} has the label {label}; choose a labelled split"
            )

    def learn(self, change: Change) -> None:
        """One step of Adam on what the moved rows know now."""
        if self._learning:
            losses = F.cross_entropy(self._head(change.after.aggregate), change.labels, reduction="none")
            self._head.descend((losses * change.moved).sum() / change.moved.sum().clamp_min(1))

    def prepare(self, streams: Stream) -> dict[str, float]:
        """Train the probe on the aggregates of the first 1, 2 … views of every stream; gives loss and accuracy."""
        require_labels(streams.labels, self._classes, "training")
        seen = features(model_of(self.memory, self.name), streams, self.memory.base.world, observed=streams.length)
        known = seen.aggregates[FULL]
        x, y = known.flatten(0, 1), seen.labels.repeat(len(known))  # m n e -> mn e
        self._head.standardise(x)
        for rows in batches(len(x), self._batch, self._epochs, self._seed):
            rows = rows.to(x.device)
            self._head.descend(F.cross_entropy(self._head(x[rows]), y[rows]))
        with torch.no_grad():
            scores = self._head(x)
        right = (scores.argmax(1) == y).float().mean()
        return {"reward/recognition_loss": float(F.cross_entropy(scores, y)), "reward/recognition_top1": float(right)}

    @torch.no_grad()
    def _log_prob(self, moment: Moment, labels: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        return -F.cross_entropy(self._head(moment.aggregate), labels, reduction="none")
