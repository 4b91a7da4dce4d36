"""TensorBoard's event files, as a run that is interrupted and resumed needs them.

torch's SummaryWriter asks the clock for the time of every event and for the name of its file, and hands its files to a
library that takes no name outside UTF-8. A clock that was set back then puts the file of a resumed run before the one
that it goes on from, and TensorBoard, which reads them in the order of their names, draws both at once.
"""

import os
import socket
import struct
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[attr-defined]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[attr-defined]
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.summary.writer.record_writer import RecordWriter

_PREFIX = "events.out.tfevents."
_VERSION = "brain.Event:2"


class EventWriter:
    """One file of scalars for one session of a run; points of earlier sessions from step `first` on are hidden.

    Times follow the clock that is never set, from the present or the last that earlier files know, whichever is later.
    What was added is in the file at once.
    """

    def __init__(self, folder: Path, *, first: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        began, number = _after(folder)
        self._ahead = began - time.monotonic()
        # Exclusive: two sessions that begin within the same second must not write into one file.
        path = folder / f"{_PREFIX}{number:010d}.{socket.gethostname()}.{os.getpid()}.0"
        self._file = RecordWriter(path.open("xb"))
        self._write(Event(file_version=_VERSION))
        self._write(Event(step=first, session_log=SessionLog(status=SessionLog.START)))
        self._file.flush()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Add a point to each of the curves that are named."""
        for name, value in values.items():
            self._write(Event(step=step, summary=Summary(value=[Summary.Value(tag=name, simple_value=value)])))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: Event) -> None:
        event.wall_time = self._ahead + time.monotonic()
        self._file.write(event.SerializeToString())


def _after(folder: Path) -> tuple[float, int]:
    """When a session begins that follows those of a folder, and the number that its file is sorted by."""
    began = time.time()
    number = int(began)
    for file in event_files(folder):
        stamp = file.name.removeprefix(_PREFIX).partition(".")[0]
        known = int(stamp) if stamp.isdecimal() else 0
        began, number = max(began, float(known), file.stat().st_mtime), max(number, known + 1)
    return began, number


def event_files(folder: Path) -> list[Path]:
    """The event files of a folder, in the order in which TensorBoard reads them."""
    return sorted(folder.glob(f"{_PREFIX}*"))


def seconds(file: Path) -> float | None:
    """For how long a session recorded into a file, None if it came to nothing; raises ValueError for a damaged file.

    A clock that was set back counts as standing still, in files that another writer left; a last event that a kill cut
    short is left out.
    """
    events = list(_events(file))
    if not any(event.HasField("summary") for event in events):
        return None
    times = [event.wall_time for event in events if event.wall_time]  # torch's writer gives some none
    return sum(max(0.0, after - before) for before, after in pairwise(times))


def _events(file: Path) -> Iterator[Event]:
    """Events as records of TensorFlow: length and its checksum, the event, its checksum."""
    with file.open("rb") as stream:
        while len(header := stream.read(12)) == 12:
            (length,) = struct.unpack("<Q", header[:8])
            if masked_crc32c(header[:8]) != struct.unpack("<I", header[8:])[0]:
                raise ValueError(f"{file}: not an event at byte {stream.tell() - 12}, expected TensorBoard's records")
            body, checksum = stream.read(length), stream.read(4)
            if len(body) < length or len(checksum) < 4:
                return
            if masked_crc32c(body) != struct.unpack("<I", checksum)[0]:
                raise ValueError(f"{file}: the event before byte {stream.tell()} is damaged")
            yield Event.FromString(body)
