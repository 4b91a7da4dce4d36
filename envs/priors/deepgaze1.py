"""Looking where people do, by a network on AlexNet: DeepGaze I."""

from ._deepgaze import DeepGazePrior
from ._deepgaze_network import Model


class DeepGaze1Prior(DeepGazePrior):
    """DeepGaze I (Kümmerer, Theis and Bethge 2015), as its authors retrained it: 244 MB, 0.05 s an image of 512 pixels.

    Options as of DeepGazePrior.
    """

    model = Model("deepgaze1", "DeepGazeI", "v1.01")
