"""Looking where an image differs from its surroundings at several scales: OpenCV's fine grained saliency."""

from ._opencv import OpenCVPrior


class FineGrainedPrior(OpenCVPrior):
    """The fine grained saliency of Montabone and Soto (2010), as OpenCV computes it, at the image's own size.

    It is computed on the CPU; -inf where a map is zero. Needs `cv2.saliency`, which only OpenCV's contrib wheels have.
    Raises OptionError saying how to get it.
    """

    name, algorithm = "fine-grained", "StaticSaliencyFineGrained"
