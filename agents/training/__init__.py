"""Training: a policy looks, a world model learns from what it sees, and everything is saved so that it can go on.

loop              the one loop: collect, update, log, probe, save; NonFiniteLossError
optimiser         AdamW and the schedule of its learning rate
checkpoint        weights and optimisers on disk, whole or not at all; world models of runs with their weights
recording         streams written as a Minari dataset; a dataset replayed in its environment
recorded_streams  the streams of a Minari dataset, to learn from
recorder          metrics.jsonl, a logger's curves, a line on the terminal
loggers           where numbers go beside it: TensorBoard, Weights & Biases, trackio or nowhere
event_files       TensorBoard's files, as resumed runs need them
collapse_monitor  whether embeddings still spread
progress          a bar on a terminal, elsewhere lines
interrupt         Ctrl-C as a request
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from .checkpoint import load_method
    from .collapse_monitor import effective_rank
    from .event_files import EventWriter
    from .interrupt import interruptible
    from .loggers import Logger, begin_logger
    from .loop import NonFiniteLossError, Session, collect, train
    from .optimiser import learning_rate, make_optimiser
    from .recorded_streams import Recorded, StreamSource, open_recorded
    from .recorder import Recorder
    from .recording import DiffersError, Recording, record, replay

__all__ = [
    "DiffersError",
    "EventWriter",
    "Logger",
    "NonFiniteLossError",
    "Recorded",
    "Recorder",
    "Recording",
    "Session",
    "StreamSource",
    "begin_logger",
    "collect",
    "effective_rank",
    "interruptible",
    "learning_rate",
    "load_method",
    "make_optimiser",
    "open_recorded",
    "record",
    "replay",
    "train",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "loop": ("NonFiniteLossError", "Session", "collect", "train"),
        "optimiser": ("learning_rate", "make_optimiser"),
        "checkpoint": ("load_method",),
        "recording": ("DiffersError", "Recording", "record", "replay"),
        "recorded_streams": ("Recorded", "StreamSource", "open_recorded"),
        "recorder": ("Recorder",),
        "loggers": ("Logger", "begin_logger"),
        "event_files": ("EventWriter",),
        "interrupt": ("interruptible",),
        "collapse_monitor": ("effective_rank",),
    },
)
