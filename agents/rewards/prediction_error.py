"""Prediction error: how wrong the world model was about what it would see; curiosity in its oldest form."""

from gymnasium.vector import VectorEnv
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from gazeworld.models.method import Predicts

from ..rl.memory import Change, detached, model_of
from ..rl.reward import Reward


class PredictionErrorReward(Reward):
    """One minus the cosine between the predicted and the seen embedding of the view that an action led to, in [0, 2].

    The prediction starts from the aggregate before the action; the seen embedding is `Predicts.goal` of the view. It
    seeks what cannot be predicted, noise included, and is here as a baseline to be careful with.
    Raises ValueError for a world model that predicts nothing, and without one.
    """

    name = "prediction-error"

    def __init__(self, env: VectorEnv, *, weight: float = 1.0) -> None:
        super().__init__(env, weight=weight)
        self._method = model_of(self.memory, "reward 'prediction-error'")
        if not isinstance(self._method, Predicts):
            raise ValueError(
                f"reward 'prediction-error' needs a world model that predicts views, and "
                f"{type(self._method).__name__} does not"
            )
        self._model = self._method

    def reward(self, change: Change) -> Float[Tensor, " n"]:
        """The error about each row's new view."""
        model = self._model

        def error() -> Tensor:
            predicted = model.predict(change.before.aggregate, change.action)
            seen = model.goal(change.after.view[:, None])[:, 0]
            return 1 - F.cosine_similarity(predicted.float(), seen.float())

        return detached(self._method, error)
