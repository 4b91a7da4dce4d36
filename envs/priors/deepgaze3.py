"""Looking where people do next, after what they have looked at: DeepGaze III, a model of scan paths."""

import torch
from jaxtyping import Float32
from torch import Tensor

from ._deepgaze import DeepGazePrior, require_included
from ._deepgaze_network import Model

SLOTS = 4
"""Fixations that the network is told of."""


class DeepGaze3Prior(DeepGazePrior):
    """DeepGaze III (Kümmerer, Bethge and Wallis 2022): the next fixation, given the last four; 83 MB.

    Before there is a fixation the middle of the image counts as one, with which the authors' example begins (the
    network has no answer to an empty history). Options as of DeepGazePrior.
    """

    model = Model("deepgaze3", "DeepGazeIII", "v1.1.0")
    remembers = True

    def extra(
        self, history: Float32[Tensor, "b k 2"] | None, count: int, height: int, width: int, device: torch.device
    ) -> tuple[Tensor, ...]:
        """Columns and rows of the last four fixations in pixels, the newest first."""
        require_included(self._network, self.model)
        past = slots(history, count, device)
        return past[:, :, 1] * width, past[:, :, 0] * height


def slots(history: Float32[Tensor, "b k 2"] | None, count: int, device: torch.device) -> Float32[Tensor, "b 4 2"]:
    """The last four fixations, the newest first; NaN, in both coordinates, for those that there were not."""
    if history is None or history.shape[1] == 0:
        history = torch.full((count, 1, 2), 0.5, dtype=torch.float32, device=device)
    recent = history[:, -SLOTS:].flip(1)
    missing = recent.new_full((count, SLOTS - recent.shape[1], 2), torch.nan)
    return torch.cat((recent, missing), 1)
