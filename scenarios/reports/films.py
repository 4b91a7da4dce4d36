"""Films: pictures one after the other as a GIF or as an MP4, written whole or not at all."""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from jaxtyping import UInt8

from gazeworld.envs.files import write_bytes

ENDINGS = (".gif", ".mp4")
"""What a film can be."""
_RATE = 10  # pictures per second of an MP4: players stumble over one that changes less often than once a second


def write(frames: Sequence[UInt8[np.ndarray, "h w 3"]], path: Path, *, seconds: float = 0.7) -> None:
    """Write pictures of one size, each shown for so many seconds, as the name's ending says.

    Raises ValueError for another ending, and for an MP4 where PyAV, which writes it, is not installed.
    """
    match path.suffix.lower():
        case ".gif":
            data = iio.imwrite("<bytes>", np.stack(frames), extension=".gif", duration=1000 * seconds, loop=0)
        case ".mp4":
            data = _mp4(frames, path, max(1, round(seconds * _RATE)))
        case other:
            raise ValueError(f"{path}: films are written as .gif or .mp4, found {other or 'no ending'!r}")
    write_bytes(path, data)


def require_writer(path: Path) -> None:
    """Raise ValueError where a film of this name could not be written for want of a package."""
    if path.suffix.lower() == ".mp4":
        try:
            import av  # noqa: F401
        except ImportError as error:
            raise ValueError(
                f"{path}: films are written as .mp4 by PyAV, which is not installed; pip install 'gazeworld[report]', "
                "or let it be a .gif"
            ) from error


def _mp4(frames: Sequence[UInt8[np.ndarray, "h w 3"]], path: Path, times: int) -> bytes:
    """H.264 with every picture so many times; sides are made even, as its colours want them."""
    require_writer(path)
    import av

    height, width = (side + side % 2 for side in frames[0].shape[:2])
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=Fraction(_RATE), options={"crf": "18", "movflags": "faststart"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in frames:
            whole = np.pad(picture, ((0, height - len(picture)), (0, width - picture.shape[1]), (0, 0)), mode="edge")
            for _ in range(times):
                film.mux(stream.encode(av.VideoFrame.from_ndarray(whole, format="rgb24")))
        film.mux(stream.encode())
    return out.getvalue()
