"""What can be learnt: methods that learn world models from streams, and their parts.

method            Method, the contract; WorldSpec, what a world dictates; what methods give; make_method
methods/          one file a method
joint_embedding   what methods share whose views meet only in their losses
encoders          one view in, one embedding out
aggregator        seq-JEPA's transformer over views and actions
losses            losses as pure functions of embeddings
momentum          targets that follow a network by an exponential moving average
synchronised      batch normalisation over all processes
published         the authors' checkpoints, read and written
conformance       check_method: a test to run on one's own method
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from . import losses, published
    from .aggregator import Aggregator
    from .conformance import check_method
    from .encoders import ENCODERS, make_encoder
    from .joint_embedding import JointEmbedding
    from .method import (
        METHODS,
        CheckpointError,
        Method,
        Predicts,
        Representation,
        ViewEncoder,
        WorldSpec,
        frozen,
        make_method,
    )
    from .methods.seq_jepa import SeqJEPA

__all__ = [
    "ENCODERS",
    "METHODS",
    "Aggregator",
    "CheckpointError",
    "JointEmbedding",
    "Method",
    "Predicts",
    "Representation",
    "SeqJEPA",
    "ViewEncoder",
    "WorldSpec",
    "check_method",
    "frozen",
    "losses",
    "make_encoder",
    "make_method",
    "published",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "conformance": ("check_method",),
        "method": (
            "METHODS",
            "CheckpointError",
            "Method",
            "Predicts",
            "Representation",
            "ViewEncoder",
            "WorldSpec",
            "frozen",
            "make_method",
        ),
        "methods.seq_jepa": ("SeqJEPA",),
        "joint_embedding": ("JointEmbedding",),
        "encoders": ("ENCODERS", "make_encoder"),
        "aggregator": ("Aggregator",),
        "losses": (),
        "published": (),
    },
)
