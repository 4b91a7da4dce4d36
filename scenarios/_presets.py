"""Models that several scenarios train, and how."""

from typing import Any

from gazeworld.agents.config import TrainConfig

SMALL: dict[str, Any] = {
    "name": "seq-jepa",
    "encoder": "small",
    "dim": 64,
    "width": 16,
    "action_width": 16,
    "predictor_hidden": 256,
    "momentum": 0.99,
    "positions": True,
}
"""seq-JEPA for one CPU core. Momentum and learning rate are higher than the paper's: runs have thousands of steps."""

NO_CONDITIONING = {"condition_transformer": False, "condition_predictor": False}
"""Table 4's ablation: actions are seen nowhere."""

SHORT = TrainConfig(
    steps=6000,
    batch=128,
    observed=4,
    lr=2e-3,
    warmup=0.05,
    threads=1,
    log_every=100,
    probe_every=500,
    save_every=500,
)
"""Training of SMALL: about ten minutes of one CPU core on glimpses."""
