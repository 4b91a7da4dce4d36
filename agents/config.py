"""What a scenario may set about training and probing; imports no torch, so that the command line stays quick."""

import math
from dataclasses import dataclass
from typing import Literal

SEEDS = 2**32
"""Seeds lie below this: NumPy's global generator, which Stable-Baselines3 draws from, takes no other."""


def require_seed(name: str, seed: int) -> None:
    """Raise ValueError, naming the argument, for a seed that not every generator takes."""
    if not 0 <= seed < SEEDS:
        raise ValueError(f"{name} is {seed}, expected 0 to {SEEDS - 1}")


def require_finite(owner: str, config: object, *names: str) -> None:
    """Raise ValueError, naming the argument, unless these numbers of a configuration are finite and 0 or more."""
    for name in names:
        if not 0 <= getattr(config, name) < math.inf:
            raise ValueError(f"{owner}.{name} is {getattr(config, name)}, expected 0 or more")


@dataclass(frozen=True)
class TrainConfig:
    """How a world model is trained; defaults are the paper's (appendix A.2), sizes are the scenario's to set."""

    steps: int = 2000
    """optimiser steps; ignored when epochs is given"""
    epochs: int = 0
    """passes over the source, in expectation: scenes are drawn with replacement (0: count steps instead)"""
    batch: int = 512
    """streams per step over all processes; also the number of environments"""
    observed: int = 4
    """M, the number of observed views; one more is predicted"""
    lr: float = 4e-4
    """learning rate after the warm-up"""
    lr_start: float = 1e-5
    """learning rate at the first step"""
    lr_end: float = 1e-5
    """learning rate at the last step"""
    warmup: float = 0.01
    """fraction of training that warms up (paper: 20 epochs of 2000)"""
    weight_decay: float = 1e-3
    """AdamW's decay of matrices and kernels"""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """arithmetic of the forward pass"""
    compile: bool = False
    """compile the loss with torch.compile (meant for CUDA)"""
    threads: int = 0
    """CPU threads while training (0: torch's choice); a small model is quicker with one"""
    log_every: int = 20
    """steps between lines of metrics"""
    probe_every: int = 250
    """steps between visits of the online probe"""
    save_every: int = 250
    """steps between checkpoints"""
    keep: int = 2
    """checkpoints kept; older ones are deleted (0: keep all)"""

    def __post_init__(self) -> None:
        if self.observed < 1:
            raise ValueError(f"train.observed is {self.observed}, expected M >= 1 observed views")
        for name in ("batch", "log_every", "probe_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"train.{name} is {getattr(self, name)}, expected at least 1")
        require_finite("train", self, "steps", "epochs", "lr_start", "lr_end", "weight_decay", "threads", "keep")
        if not 0 < self.lr < math.inf:
            raise ValueError(f"train.lr is {self.lr}, expected more than 0")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"train.warmup is {self.warmup}, expected a fraction from 0 to 1")
        if self.steps < 1 and self.epochs < 1:
            raise ValueError(f"train.steps is {self.steps} and train.epochs {self.epochs}, expected one of them >= 1")
        if self.batch == 1:
            raise ValueError("train.batch is 1, expected at least 2: batch normalisation needs variance")


@dataclass(frozen=True)
class ProbeConfig:
    """How frozen representations are read out; defaults are the paper's protocols (appendix A.2) unless said."""

    views: int = 6
    """largest number of observed views; everything is measured for M = 1 … views (M_val)"""
    rounds: int = 2
    """visits to every training scene for recognition and position; path integration and the test split get one"""
    scenes: int = 0
    """scenes per split, spread evenly over it (0: all)"""
    path_scenes: int = 1500
    """scenes per split for path integration, at most (0: as many as there are); its ablations cost the most time"""
    epochs_linear: int = 300
    """epochs of linear classifiers"""
    epochs_position: int = 50
    """epochs of linear regressors"""
    epochs_mlp: int = 300
    """epochs of MLP regressors (rotation)"""
    hidden: int = 1024
    """hidden units of MLP regressors"""
    batch: int = 256
    """samples per step of a read-out"""
    noise: float = 0.05
    """motor noise of the second path-integration experiment, in the world's units of action (0: leave it out)"""
    puzzle_epochs: int = 60
    """epochs in which the aggregator is fine-tuned to find the odd one out (worlds of objects; 0: leave it out)"""
    regions: tuple[str, ...] = ()
    """other regions of rotations in which heads are scored, too: ood, held-out … (sources that draw their views), or
    NAME=ROOT, a stored set (ood=ROOT: the authors' out-of-distribution set)"""
    maps: bool = False
    """draw two-dimensional maps of embeddings (needs umap-learn)"""
    online: int = 512
    """scenes per split of the online probe during training (0: no online probe)"""
    seed: int = 0
    """seed of fixations, initial weights and batch order of all probes"""

    def __post_init__(self) -> None:
        for name in ("views", "rounds", "epochs_linear", "epochs_position", "epochs_mlp", "hidden", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"probe.{name} is {getattr(self, name)}, expected at least 1")
        require_finite("probe", self, "scenes", "path_scenes", "noise", "online", "puzzle_epochs")
        require_seed("probe.seed", self.seed)
