"""Models that several scenarios train."""

from typing import Any

SMALL: dict[str, Any] = {
    "name": "seq-jepa",
    "encoder": "small",
    "dim": 64,
    "width": 16,
    "action_width": 16,
    "hidden": 256,
    "decay": 0.99,
    "positions": True,
}
"""seq-JEPA for one CPU core. EMA decay and learning rate are higher than the paper's: runs have thousands of steps."""

NO_CONDITIONING = {"condition_transformer": False, "condition_predictor": False}
"""Table 4's ablation: actions are seen nowhere."""
