"""What may be set, by scenarios and commands, of training, probing, agents, phases, ensembles, goals and comparisons.

Imports no torch, so that the command line stays quick.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Interval

from gazeworld.envs.validation import (
    COMMAS,
    INNER,
    Amount,
    Epochs,
    Layers,
    MaybeEpochs,
    MaybeWidth,
    Natural,
    OptionError,
    Options,
    Positive,
    PositiveAmount,
    Rows,
    Seed,
    Share,
    Threads,
    Views,
    Width,
    shown,
)


@dataclass(frozen=True)
class TrainConfig(Options, owner="train"):
    """How a world model is trained; defaults are the paper's (appendix A.2), sizes are the scenario's to set."""

    steps: Natural = 2000
    """optimiser steps; ignored when epochs is given"""
    epochs: Natural = 0
    """passes over the source, in expectation: scenes are drawn with replacement (0: count steps instead)"""
    batch: Annotated[int, Interval(ge=2, le=2**20)] = 512
    """streams per step over all processes; also the number of environments. Batch normalisation needs 2"""
    observed: Views = 4
    """M, the number of observed views; one more is predicted"""
    streams: str = ""
    """learn from the streams of a Minari dataset, its id or folder, instead of looking (see gazeworld data record)"""
    lr: PositiveAmount = 4e-4
    """learning rate after the warm-up"""
    lr_start: Amount = 1e-5
    """learning rate at the first step"""
    lr_end: Amount = 1e-5
    """learning rate at the last step"""
    warmup: Share = 0.01
    """fraction of training that warms up (paper: 20 epochs of 2000)"""
    weight_decay: Amount = 1e-3
    """AdamW's weight decay, of matrices and kernels"""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """arithmetic of the forward pass"""
    sync_batch_norm: bool = False
    """batch normalisation over the whole batch where several processes share it (else each normalises its own part)"""
    compile: bool = False
    """compile the loss with torch.compile (meant for CUDA)"""
    threads: Threads = 0
    """CPU threads while training (0: torch's choice); a small model is quicker with one"""
    log_every: Positive = 20
    """steps between lines of metrics"""
    probe_every: Positive = 250
    """steps between visits of the online probe"""
    save_every: Positive = 250
    """steps between checkpoints"""
    keep: Natural = 2
    """checkpoints kept; older ones are deleted (0: keep all)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1 and self.epochs < 1:
            raise OptionError(f"train.steps is {self.steps} and train.epochs {self.epochs}, expected one of them >= 1")


@dataclass(frozen=True)
class ProbeConfig(Options, owner="probe"):
    """How frozen representations are read out; defaults are the paper's protocols (appendix A.2) unless said."""

    views: Views = 6
    """largest number of observed views; everything is measured for M = 1 … views (M_val)"""
    repeats: Positive = 2
    """visits to every training scene for recognition and position; path integration and the test split get one"""
    scenes: Natural = 0
    """scenes per split, spread evenly over it (0: all)"""
    path_scenes: Natural = 1500
    """scenes per split for path integration, at most (0: as many as there are); its ablations cost the most time"""
    epochs_linear: Epochs = 300
    """epochs of linear classifiers"""
    epochs_position: Epochs = 50
    """epochs of linear regressors"""
    epochs_mlp: Epochs = 300
    """epochs of MLP regressors (rotation)"""
    hidden: Width = 1024
    """hidden units of MLP regressors"""
    batch: Rows = 256
    """samples per step of a read-out"""
    noise: Amount = 0.05
    """motor noise of the second path-integration experiment, in the world's units of action (0: leave it out; so do
    worlds without the option noise)"""
    puzzle_epochs: MaybeEpochs = 60
    """epochs in which the aggregator is fine-tuned to find the odd one out (worlds of objects; 0: leave it out)"""
    regions: tuple[str, ...] = ()
    """other regions of rotations in which read-outs are scored, too: ood, held-out … (sources that draw views), or
    NAME=ROOT, a stored set (ood=ROOT: the authors' out-of-distribution set)"""
    maps: bool = False
    """draw two-dimensional maps of embeddings (needs umap-learn)"""
    online: Natural = 512
    """scenes per split of the online probe during training (0: no online probe)"""
    seed: Seed = 0
    """seed of fixations, initial weights and batch order of all probes"""


LoggerName = Literal["tensorboard", "wandb", "trackio", "none"]
"""Where the numbers of a run go beside its metrics.jsonl."""
LOGGER: LoggerName = "tensorboard"
"""Where they go unless somebody says otherwise."""

Algorithm = Literal["ppo", "recurrent-ppo", "maskable-ppo", "sac", "crossq"]
Observation = Literal["latent", "latent+periphery", "pixels", "flat-pixels"]
_ON_POLICY = {
    "gamma": 0.5,
    "n_steps": 8,
    "batch_size": 256,
    "n_epochs": 10,
    "learning_rate": 1e-3,
    "ent_coef": 0.005,
}
_OFF_POLICY = {"gamma": 0.5, "learning_starts": 2048, "buffer_size": 50_000, "gradient_steps": 8}
ALGORITHM_OPTIONS: dict[Algorithm, dict[str, Any]] = {
    "ppo": _ON_POLICY,
    "maskable-ppo": _ON_POLICY,
    "recurrent-ppo": _ON_POLICY,
    "sac": _OFF_POLICY,
    "crossq": _OFF_POLICY,
}
"""Options of the algorithms that differ from SB3's. What is to be seen next matters more than what comes later
(gamma); rollouts are two episodes of four actions long."""


@dataclass(frozen=True)
class AgentConfig(Options, owner="agent"):
    """An agent of Stable-Baselines3 and what it acts in; everything is JSON-able.

    `gazeworld.agents.rl.algorithms.agent_config` makes the one that suits a world and a world model.
    """

    algorithm: Algorithm = "maskable-ppo"
    """ppo, recurrent-ppo, maskable-ppo, sac or crossq"""
    environments: Rows = 64
    """rows of its environment"""
    episode_steps: Views = 3
    """actions of an episode; an episode has one view more"""
    observation: Observation = "latent"
    """latent, latent+periphery, pixels or flat-pixels"""
    discrete_actions: dict[str, Any] | None = field(default_factory=lambda: {"name": "fixations", "side": 9})
    """the numbered poses that actions are chosen from (`name` and its options), or None for continuous actions"""
    rewards: tuple[dict[str, Any], ...] = ({"name": "recognition", "learning": False},)
    """rewards, each with `name` and its options; they add up"""
    policy: dict[str, Any] = field(default_factory=dict)
    """options of the network: SB3's policy_kwargs, classes by name"""
    options: dict[str, Any] = field(default_factory=dict)
    """the algorithm's own options (none: its ALGORITHM_OPTIONS)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bad := [reward for reward in self.rewards if "name" not in reward]:
            raise OptionError(f"agent.rewards holds {shown(bad[0])}, expected a 'name' in each")
        if not self.options:
            object.__setattr__(self, "options", dict(ALGORITHM_OPTIONS[self.algorithm]))


@dataclass(frozen=True)
class PolicyPlan(Options):
    """What one policy is trained with in a frozen world model; config.json in its folder holds it."""

    agent: AgentConfig = field(default_factory=AgentConfig)
    """the agent"""
    steps: Positive = 200_000
    """environment steps over all rows"""
    every: Positive = 8192
    """steps between saves; a resumed training is the same if it stopped at such a place"""
    prepare: Natural = 4000
    """streams, of each policy in prepare_on, on which rewards learn beforehand (in whole visits)"""
    prepare_on: tuple[dict[str, Any], ...] = ()
    """policies (`name` and options) whose streams those are (none: uniform, and before it the run's own)"""
    seed: Seed = 0
    """everything random follows from it"""


@dataclass(frozen=True)
class PhaseConfig(Options, owner="phases"):
    """How a world model and a policy alternate; AdaptiveNN (arXiv 2509.15333) alternates its updates, too."""

    phases: Positive = 10
    """phases: in each the world model learns, then the policy"""
    model_steps: Positive = 200
    """optimiser steps of the world model per phase"""
    policy_steps: Positive = 8192
    """environment steps of the policy per phase, over all rows; SB3 rounds up to whole rollouts"""
    warmup: Natural = 1
    """first phases whose streams are looked at by the scenario's own policy: the agent has learnt nothing yet"""
    replay: Natural = 4096
    """recent streams of which every batch of the world model is drawn (0: each batch is what was just seen)"""
    prepare: Natural = 1024
    """newest streams on which the rewards' heads learn before the policy does (0: none)"""
    keep: Natural = 2
    """checkpoints kept; older ones are deleted (0: keep all)"""

    @classmethod
    def over(cls, steps: int) -> "PhaseConfig":
        """The usual number of phases, of equal length, in which the world model learns for about so many steps."""
        return cls(model_steps=max(1, steps // cls.phases))


@dataclass(frozen=True)
class EnsembleConfig(Options, owner="ensemble"):
    """How heads are fitted. Raises ValueError for numbers that make no sense."""

    heads: Layers = 5
    """predictor heads (Pathak et al. 2019 have 5)"""
    hidden: Width = 1024
    """hidden units of each (paper, section 3.2: those of the predictor)"""
    epochs: Epochs = 20
    """passes over the streams, over all (aggregate, action, next view), for predictor heads"""
    label_epochs: MaybeEpochs = 50
    """passes for the label head (0: no label head)"""
    batch: Rows = field(default=256, metadata=INNER)
    """samples per step"""
    lr: PositiveAmount = field(default=1e-3, metadata=INNER)
    """Adam's first rate for predictor heads; it falls linearly to 0. The label head has the probes' rate"""
    seed: Seed = 0
    """everything random follows from it: initial weights, bootstrap samples and batch order"""


@dataclass(frozen=True)
class EnsembleChoices(EnsembleConfig, owner=""):
    """How the ensemble of a run is fitted, and on what."""

    hidden: MaybeWidth = 0
    """hidden units of each (0: as the run's predictor)"""
    epochs: Positive = EnsembleConfig.epochs
    """passes over the streams for predictor heads"""
    label_epochs: Natural = EnsembleConfig.label_epochs
    """passes for the label head (0: no label head)"""
    scenes: Natural = 4000
    """scenes that are looked at, with uniform fixations (0: all)"""


@dataclass(frozen=True)
class ReachConfig(Options, owner="reach"):
    """The task of reaching a goal. Raises ValueError for numbers that make no sense."""

    saccades: Views = 3
    """actions until the goal has to be reached"""
    within: Amount = 8.0
    """largest distance in pixels from the goal that counts as reached (worlds of fixations)"""
    seen: Views = 1
    """views looked at before the goal is given, at random places (stored views: without replacement)"""
    scenes: Natural = 512
    """test scenes, spread evenly (0: all)"""
    batch: Rows = field(default=256, metadata=INNER)
    """scenes at once; a matter of memory, but the random streams of a scene depend on its place in the batch"""
    seed: Seed = 0
    """seed of first views, goals and policies"""


@dataclass(frozen=True)
class ReachChoices(ReachConfig, owner=""):
    """The task of reaching a goal as it suits a run's world, and how the models' plans are made."""

    saccades: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """actions until the goal has to be reached (0: 3, or 5 among the stored views of an object)"""
    within: Amount = 0.0
    """largest distance in pixels that counts as reached (0: a twelfth of the image side, 8 px of 96)"""
    planner: Literal["grid", "cem", "mppi"] = "grid"
    """how the models' plans are made"""


@dataclass(frozen=True)
class Compared(Options):
    """How policies are compared. Raises ValueError for numbers that make no sense."""

    views: Annotated[int, Interval(ge=2, le=2**12)] = 5
    """largest number of glimpses M; everything is measured for M = 1 … views"""
    scenes: Natural = 2000
    """scenes on which probes are trained, spread evenly over their split (0: all)"""
    test_scenes: Natural = 2000
    """scenes on which probes are scored (0: all)"""
    shared: Literal["controls", "uniform", "all"] = "controls"
    """whose streams the shared probe is trained on (all: everybody but the oracle)"""
    epochs: Epochs = field(default=300, metadata=INNER)
    """epochs of probes; the shared one has as many steps as one probe of a policy's own"""
    batch: Rows = field(default=256, metadata=INNER)
    """samples per step of a probe"""
    resamples: Rows = 2000
    """resamples of the paired bootstrap over test images"""
    grid: Annotated[int, Interval(ge=2, le=2**8)] = field(default=9, metadata=INNER)
    """places per axis from which planners and oracle choose"""
    seed: Seed = 0
    """seed of fixations, probes and bootstrap"""


@dataclass(frozen=True)
class Entrants(Options):
    """Who takes part beside saliency with inhibition of return, which always does."""

    policies: tuple[str, ...] = field(default=(), metadata=COMMAS)
    """policies, separated by commas (empty: all controls, planners and the oracle); saliency always takes part"""
    learned: tuple[str, ...] = field(default=(), metadata={"metavar": "POLICY …"})
    """learnt policies: names in RUN/policies, or folders; {seed} and {run} stand for those of each run; as many folders
    as runs are one each"""
    deterministic: bool = True
    """learnt policies take the likeliest action instead of drawing one"""


@dataclass(frozen=True)
class ControlConfig(Options, owner="controls"):
    """How large the control experiment is: ten conditions, each with a world model of its own for every seed."""

    steps: Positive = 1500
    """optimiser steps of every world model"""
    batch: Annotated[int, Interval(ge=2, le=2**20)] = 64
    """streams a step"""
    scenes: Positive = 2000
    """scenes of each split on which read-outs are trained and scored"""
    map_scenes: Positive = 1000
    """test scenes on whose exact masks maps are scored"""


@dataclass(frozen=True)
class GazeConfig(Options):
    """How policies are scored by people's gaze. Raises ValueError for numbers that make no sense."""

    samples: Natural = 5
    """scan paths of its own that each policy walks beside every path of a person (0: no scan paths are compared)"""
    paths: Natural = 500
    """most paths of people that are compared as wholes, at even distances (0: all); fixations are all scored"""
    bins: Annotated[int, Interval(ge=2, le=2**8)] = 8
    """ScanMatch's bins per axis"""
    radius: Amount = 0.0
    """distance that counts as recurrence, in units of the image side (0: half a glimpse)"""
    simplify: bool = False
    """MultiMatch's simplification: saccades shorter than a tenth of the diagonal or within 45 degrees are joined"""
    resamples: Rows = 2000
    """resamples of images for the intervals"""
    examples: Natural = 3
    """images in the figure of maps and scan paths"""
    seed: Seed = 0
    """seed of scan paths and bootstrap"""
