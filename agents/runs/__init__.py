"""Runs: from a scenario to what lies in its folder, and back.

scenario            Scenario: one experiment as data; Run: one in a folder
own_data            what somebody's own folder holds
swapping            another world, source or method in a scenario's place
build               from a scenario to live objects: worlds, environments, policies, methods, sessions
train_run           train a run, or go on with one
record_run          record what a scenario's policy sees
evaluate_run        probe a run
watching            where a policy looks in a run's scenes, as a stream and as a table
policy_run          train a policy in the frozen world model of a run
planning_measures   fit the ensemble of a run, find goals with its model, roll it out
sweep               plan many runs, try them out, train and probe what is left of them
joint_run           train a world model and a policy in alternating phases
pretrained          load, from_pretrained: a trained model opened, without the data of its training
trained_model       TrainedModel: it embeds images, looks at them, predicts
model_facts         what a checkpoint says of its model besides the weights
export_run          export, push: a trained model as a folder for others, and on the hub
export_folder       what lies where in that folder, and how a stranger's is read
model_card          the card of an exported model
hub                 the Hugging Face hub's own client
resuming            who may write into the folder of a run or a policy, and what is there to go on with
records             what a finished run holds, for tables and reports
lock                one writer a folder
processes           several processes that train one world model
provenance          what a run was made with
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from .evaluate_run import Evaluated
    from .export_run import Export, export, push
    from .hub import HubError
    from .joint_run import JointChoices, train_jointly
    from .lock import BusyError
    from .planning_measures import ensemble_for_run, goals_of_run, rollout_error_of_run
    from .policy_run import PolicyChoices, train_policy_in_run
    from .pretrained import from_pretrained, load
    from .processes import LostProcessError
    from .record_run import RecordChoices, record_streams
    from .records import Record, record_of
    from .scenario import Run, Scenario, open_run
    from .trained_model import Scan, TrainedModel
    from .watching import WatchChoices, Watched, saliency_of, watch_run, write_fixations

__all__ = [
    "BusyError",
    "Evaluated",
    "Export",
    "HubError",
    "JointChoices",
    "LostProcessError",
    "PolicyChoices",
    "Record",
    "RecordChoices",
    "Run",
    "Scan",
    "Scenario",
    "TrainedModel",
    "WatchChoices",
    "Watched",
    "ensemble_for_run",
    "export",
    "from_pretrained",
    "goals_of_run",
    "load",
    "open_run",
    "push",
    "record_of",
    "record_streams",
    "rollout_error_of_run",
    "saliency_of",
    "train_jointly",
    "train_policy_in_run",
    "watch_run",
    "write_fixations",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "scenario": ("Run", "Scenario", "open_run"),
        "record_run": ("RecordChoices", "record_streams"),
        "evaluate_run": ("Evaluated",),
        "policy_run": ("PolicyChoices", "train_policy_in_run"),
        "watching": ("WatchChoices", "Watched", "saliency_of", "watch_run", "write_fixations"),
        "planning_measures": ("ensemble_for_run", "goals_of_run", "rollout_error_of_run"),
        "joint_run": ("JointChoices", "train_jointly"),
        "pretrained": ("from_pretrained", "load"),
        "trained_model": ("Scan", "TrainedModel"),
        "export_run": ("Export", "export", "push"),
        "hub": ("HubError",),
        "records": ("Record", "record_of"),
        "lock": ("BusyError",),
        "processes": ("LostProcessError",),
    },
)
