"""What can act and learn: policies, training, probes, planning, rewards, and the runs that come of them.

config       what may be set of training, probing, agents and phases
policy       Policy, the contract: Memory in, Choice out; make_policy
conformance  check_policy, check_reward: tests to run on one's own
policies/    one file a way to choose where to look
training/    the loop that collects streams and trains a world model on them; optimiser, checkpoints, records
probes/      what frozen representations know: read-outs, measures, retrieval, generalisation
planning/    looking ahead in a world model: search, CEM and MPPI, ensembles, goals
rl/          policies trained with Stable-Baselines3: environments, observations, actions, agents
rewards/     one file a reward
runs/        scenarios as data, the folders of runs, one call for whatever a command does; trained models as objects
comparison/  fixation policies swapped in one frozen world model
gaze/        policies scored by where people looked

What policies say of the next fixation is brought to the legal ones by fixation_density.
What lies where in the folder of a run is said in run_folder, how its numbers are read and written line by line in
metric_lines, what its files hold in file_schemas, and how older ones are read in old_files.
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from .comparison.contest import Contest, Field, contest
    from .comparison.contestants import Contestant
    from .config import AgentConfig, Compared, EnsembleConfig, PhaseConfig, PolicyPlan, ProbeConfig, TrainConfig
    from .conformance import check_policy, check_reward
    from .planning.cem_mppi import PlanConfig, plan
    from .planning.imagination import imagine
    from .planning.search import Search
    from .policy import POLICIES, Choice, Memory, Policy, make_policy
    from .probes.evaluate import Arena, evaluate
    from .probes.features import features, rollouts
    from .probes.readouts import accuracy, fit_classifier, fit_regressor, fit_ridge, r2
    from .rl import MissingExtraError
    from .rl.algorithms import GlimpseExtractor, agent_config, make_agent
    from .rl.reward import Reward, make_reward
    from .rl.train_policy import PolicyTraining, train_policy
    from .rl.vec_env import SB3VecEnv, make_sb3_env
    from .runs.evaluate_run import Evaluated, evaluate_run
    from .runs.export_run import Export, export, push
    from .runs.hub import HubError
    from .runs.joint_run import JointChoices, train_jointly
    from .runs.policy_run import PolicyChoices, train_policy_in_run
    from .runs.pretrained import from_pretrained, load
    from .runs.record_run import RecordChoices, record_streams
    from .runs.scenario import Run, Scenario, open_run
    from .runs.train_run import train_run
    from .runs.trained_model import Scan, TrainedModel
    from .training.checkpoint import load_method
    from .training.loop import NonFiniteLossError, Session, collect, train
    from .training.recorded_streams import Recorded, open_recorded
    from .training.recording import Recording, record, replay

__all__ = [
    "POLICIES",
    "AgentConfig",
    "Arena",
    "Choice",
    "Compared",
    "Contest",
    "Contestant",
    "EnsembleConfig",
    "Evaluated",
    "Export",
    "Field",
    "GlimpseExtractor",
    "HubError",
    "JointChoices",
    "Memory",
    "MissingExtraError",
    "NonFiniteLossError",
    "PhaseConfig",
    "PlanConfig",
    "Policy",
    "PolicyChoices",
    "PolicyPlan",
    "PolicyTraining",
    "ProbeConfig",
    "RecordChoices",
    "Recorded",
    "Recording",
    "Reward",
    "Run",
    "SB3VecEnv",
    "Scan",
    "Scenario",
    "Search",
    "Session",
    "TrainConfig",
    "TrainedModel",
    "accuracy",
    "agent_config",
    "check_policy",
    "check_reward",
    "collect",
    "contest",
    "evaluate",
    "evaluate_run",
    "export",
    "features",
    "fit_classifier",
    "fit_regressor",
    "fit_ridge",
    "from_pretrained",
    "imagine",
    "load",
    "load_method",
    "make_agent",
    "make_policy",
    "make_reward",
    "make_sb3_env",
    "open_recorded",
    "open_run",
    "plan",
    "push",
    "r2",
    "record",
    "record_streams",
    "replay",
    "rollouts",
    "train",
    "train_jointly",
    "train_policy",
    "train_policy_in_run",
    "train_run",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "conformance": (
            "check_policy",
            "check_reward",
        ),
        "config": (
            "AgentConfig",
            "Compared",
            "EnsembleConfig",
            "PhaseConfig",
            "PolicyPlan",
            "ProbeConfig",
            "TrainConfig",
        ),
        "policy": (
            "POLICIES",
            "Choice",
            "Memory",
            "Policy",
            "make_policy",
        ),
        "training.loop": (
            "NonFiniteLossError",
            "Session",
            "collect",
            "train",
        ),
        "training.recording": (
            "Recording",
            "record",
            "replay",
        ),
        "training.recorded_streams": (
            "Recorded",
            "open_recorded",
        ),
        "training.checkpoint": ("load_method",),
        "probes.features": (
            "features",
            "rollouts",
        ),
        "probes.readouts": (
            "accuracy",
            "fit_classifier",
            "fit_regressor",
            "fit_ridge",
            "r2",
        ),
        "probes.evaluate": (
            "Arena",
            "evaluate",
        ),
        "planning.search": ("Search",),
        "planning.cem_mppi": (
            "PlanConfig",
            "plan",
        ),
        "planning.imagination": ("imagine",),
        "rl": ("MissingExtraError",),
        "rl.reward": (
            "Reward",
            "make_reward",
        ),
        "rl.vec_env": (
            "SB3VecEnv",
            "make_sb3_env",
        ),
        "rl.algorithms": (
            "GlimpseExtractor",
            "agent_config",
            "make_agent",
        ),
        "rl.train_policy": (
            "PolicyTraining",
            "train_policy",
        ),
        "runs.scenario": (
            "Run",
            "Scenario",
            "open_run",
        ),
        "runs.train_run": ("train_run",),
        "runs.pretrained": (
            "from_pretrained",
            "load",
        ),
        "runs.trained_model": (
            "Scan",
            "TrainedModel",
        ),
        "runs.export_run": (
            "Export",
            "export",
            "push",
        ),
        "runs.hub": ("HubError",),
        "runs.record_run": (
            "RecordChoices",
            "record_streams",
        ),
        "runs.evaluate_run": (
            "Evaluated",
            "evaluate_run",
        ),
        "runs.policy_run": (
            "PolicyChoices",
            "train_policy_in_run",
        ),
        "runs.joint_run": (
            "JointChoices",
            "train_jointly",
        ),
        "comparison.contest": (
            "Contest",
            "Field",
            "contest",
        ),
        "comparison.contestants": ("Contestant",),
    },
)
