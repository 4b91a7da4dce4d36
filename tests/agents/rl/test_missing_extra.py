"""Reinforcement learning without its libraries: what needs them says so, and what does not is there."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("missing", ["stable_baselines3", "sb3_contrib"])
def test_a_missing_extra_is_named(missing: str) -> None:
    code = f"""
import sys
sys.modules["{missing}"] = None
from gazeworld.agents.rl import discrete_actions, replay, reward
from gazeworld.agents.policies import sb3
import importlib
rooms = ["agents.rl." + name for name in ("train_policy", "alternate", "saving", "acting", "algorithms", "vec_env")]
for name in (*rooms, "scenarios.bench.sb3"):
    try:
        importlib.import_module("gazeworld." + name)
        assert name in ("agents.rl.vec_env", "scenarios.bench.sb3") and "{missing}" == "sb3_contrib", name
    except ValueError as error:
        assert type(error).__name__ == "MissingExtraError"
        assert "gazeworld[rl]" in str(error)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
