"""Folders of finished runs with numbers of one's choice, as training and probing would leave them."""

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from gazeworld.agents.config import ProbeConfig, TrainConfig
from gazeworld.agents.runs import scenario
from gazeworld.agents.runs.scenario import Run, Scenario
from gazeworld.agents.runs.train_run import train_run


def probes(
    top1: Sequence[float],
    r2: dict[str, float],
    *,
    step: int = 10,
    untrained: float = 0.1,
    config: ProbeConfig | None = None,
) -> dict[str, Any]:
    """What probes.json holds of recognition and position: `top1` for M = 1 …, R² by name."""
    views = list(range(1, len(top1) + 1))
    about = {
        "views": views,
        "heads trained on": {"split": "train", "streams": 40},
        "scored on": {"split": "test", "streams": 20},
    }
    both = {"trained": list(top1), "untrained": [untrained] * len(views)}
    single = {"trained": [value / 2 for value in top1], "untrained": [untrained] * len(views)}
    return {
        "step": step,
        "config": json.loads(json.dumps(dataclasses.asdict(config or ProbeConfig(views=len(views))))),
        "chance": {"top-1 of the majority class": 0.1, "classes": 10},
        "recognition": {
            "policy": {
                "fixations": {"name": "saliency"},
                "aggregate": {**about, "values": both},
                "single": {**about, "values": single},
            }
        },
        "position": {
            name: {
                **about,
                "heads": ["mlp", "ridge"],
                "values": {
                    model: {"mlp": {"mean": value}, "ridge": {"mean": value + 0.25}}
                    for model, value in (("trained", mean), ("untrained", -0.5))
                },
            }
            for name, mean in r2.items()
        },
        "path_integration": {},
    }


def leave(folder: Path, name: str, chosen: Scenario, found: dict[str, Any] | None, minutes: float = 2.0) -> Path:
    """The folder of a run of a scenario with these probes (None: not probed), trained for so many minutes."""
    folder.mkdir(parents=True)
    made_by = {"command": "gazeworld train <b>&", "versions": {"torch": "9.9"}, "device": "cpu", "fingerprint": "f00"}
    data = {"scenario": name, "config": scenario.to_json(chosen), "made_by": made_by}
    (folder / "config.json").write_text(json.dumps(data))
    lines = [
        {"step": step, "train/loss": 1 / (1 + step), "probe/aggregate_top1": step / 20} for step in range(0, 11, 5)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if found is not None:
        (folder / "probes.json").write_text(json.dumps(found))
    with SummaryWriter(str(folder / "tensorboard")) as events:  # its first event has the time of now
        events.add_scalar("train/loss", 0.1, 10, walltime=time.time() + 60 * minutes)
    return folder


TINY = {"name": "seq-jepa", "encoder": "small", "dim": 8, "width": 4, "action_width": 4, "predictor_hidden": 8}
DIGITS = {
    "name": "saccade",
    "source": "digits",
    "split": "train",
    "glimpse": 8,
    "source_options": {"side": 24, "variants": 1},
}


def trained(folder: Path, **changes: Any) -> Path:
    """The folder of a run that was trained for two steps; `changes` are of its scenario."""
    plain = Scenario(world=DIGITS, method=TINY, train=TrainConfig(steps=2, batch=4, observed=3, log_every=2))
    chosen = dataclasses.replace(plain.changed(probe={"online": 0}), **changes)
    train_run(Run(folder, "tiny", chosen), "cpu")
    return folder
