"""Probes: what a frozen model represents, measured with read-outs that are trained on one split and scored on another.

All at once
    evaluate         Arena and evaluate: recognition, position and path integration beside an untrained model;
                     object_probes: what worlds of stored views can be asked besides
    online           OnlineProbe: recognition and position while training goes on
What is read, and how
    features         rollouts and features: streams, and what a frozen model makes of them
    readouts         linear, MLP and ridge read-outs of frozen features
    measures         recognition, position, path integration: one entry each
    stored_views     Stored: the numbered views of objects
One question each
    retrieval        does the predictor foresee the right view? MRR, Hit@1, Hit@5
    neighbours       are the nearest views of the same class, in the same rotation?
    odd_one_out      which of K views shows another object?
    on_object        do glimpses, and maps, find what the label names?
    generalisation   what is left where the model was never trained?
    umap_maps        two-dimensional maps of embeddings
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from . import generalisation, measures, neighbours, odd_one_out, on_object, retrieval, umap_maps
    from .evaluate import Arena, object_probes
    from .features import Features, rollouts
    from .online import OnlineProbe
    from .readouts import Budget, ReadOuts, fit_classifier, fit_regressor, fit_ridge
    from .stored_views import Stored

__all__ = [
    "Arena",
    "Budget",
    "Features",
    "OnlineProbe",
    "ReadOuts",
    "Stored",
    "fit_classifier",
    "fit_regressor",
    "fit_ridge",
    "generalisation",
    "measures",
    "neighbours",
    "object_probes",
    "odd_one_out",
    "on_object",
    "retrieval",
    "rollouts",
    "umap_maps",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "evaluate": ("Arena", "object_probes"),
        "online": ("OnlineProbe",),
        "features": ("Features", "rollouts"),
        "readouts": ("Budget", "ReadOuts", "fit_classifier", "fit_regressor", "fit_ridge"),
        "measures": (),
        "stored_views": ("Stored",),
        "retrieval": (),
        "neighbours": (),
        "odd_one_out": (),
        "on_object": (),
        "generalisation": (),
        "umap_maps": (),
    },
)
