"""Looking where the spectrum of an image is unusual: OpenCV's spectral residual, of a contrib wheel."""

from ._opencv import OpenCVPrior


class SpectralResidualPrior(OpenCVPrior):
    """The spectral residual of Hou and Zhang (2007), as OpenCV computes it, at 64 × 64 pixels.

    It is computed on the CPU; -inf where a map is zero. Needs `cv2.saliency`, which only OpenCV's contrib wheels have.
    Raises OptionError saying how to get it.
    """

    name, algorithm = "spectral-residual", "StaticSaliencySpectralResidual"
