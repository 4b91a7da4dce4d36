"""The card of an exported model: what it is, how it is used, what was measured, and what made it, in Markdown.

It begins with the fields that the Hugging Face hub reads. Its lines of Python run as they stand.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gazeworld.envs.images import licence_of

from ..file_schemas import unrecognised
from ..run_folder import scores
from .model_facts import ModelFacts

UNKNOWN = "unknown"
"""What the hub calls a licence that nobody states."""


def card(
    facts: ModelFacts, config: Mapping[str, Any], probes: Mapping[str, Any] | None, *, name: str, licence: str = ""
) -> str:
    """The text of README.md.

    `config` is what config.json holds, `probes` what was measured at this step, or None; `name` is what the model is
    loaded by: the hub's name of it, or a folder. `licence` is that of the data, empty for what the source says.
    """
    source = str(config["config"].get("world", {}).get("source", ""))
    licence = licence or licence_of(source) or UNKNOWN
    parts = [
        _head(facts, config, licence),
        f"# {_title(config, name)}",
        _about(facts, config, source),
        "## Use",
        _use(facts, name),
        "## Measured",
        _measured(config, probes),
        "## Made by",
        _made(facts, config, source, licence),
    ]
    return "\n\n".join(parts)


def _head(facts: ModelFacts, config: Mapping[str, Any], licence: str) -> str:
    """The front matter; JSON is YAML, and no name can break out of it."""
    tags = ["gazeworld", "active-vision", "world-model", "self-supervised", facts.method["name"], facts.world["name"]]
    if config.get("learnt_policy") is not None:
        tags.append("reinforcement-learning")
    fields = {
        "library_name": "gazeworld",
        "license": licence.lower(),
        "pipeline_tag": "image-feature-extraction",
        "tags": tags,
    }
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in fields.items()), "---"])


def _title(config: Mapping[str, Any], name: str) -> str:
    learnt = config.get("learnt_policy") or {}
    return _line("/".join(str(part) for part in (config.get("run", name), learnt.get("name")) if part))


def _about(facts: ModelFacts, config: Mapping[str, Any], source: str) -> str:
    c, h, w = facts.spec.view_shape
    kind = {1: "grey", 3: "colour"}.get(c, f"{c}-channel")
    seen = f"{kind} views of {h} × {w} pixels"
    if facts.image_side:
        seen += f" of images of {facts.image_side} × {facts.image_side} pixels"
    text = (
        f"A world model of gazeworld, an active-vision laboratory: `{facts.method['name']}` in a world of "
        f"`{facts.world['name']}`, trained on {seen} (source `{_line(source)}`), {facts.observed} of them observed at "
        f"a time, chosen by the policy `{_line(config['model']['policy']['name'])}`."
    )
    learnt = config.get("learnt_policy")
    if learnt is not None:
        algorithm = learnt.get("train_policy", {}).get("agent", {}).get("algorithm", "reinforcement learning")
        text += (
            f" With it comes a policy that learnt where to look in the frozen model (`{_line(str(algorithm))}`), by "
            "which it looks now."
        )
    return text + " What it makes of other images than those that it was trained on has not been measured."


def _use(facts: ModelFacts, name: str) -> str:
    c, h, w = facts.spec.view_shape
    side = facts.image_side or h
    lines = [
        "```python",
        "import numpy as np",
        "from gazeworld.agents import from_pretrained",
        "",
        f"model = from_pretrained({json.dumps(name, ensure_ascii=False)})  # this folder, or its name on the hub",
        f"images = np.random.default_rng(0).integers(0, 256, (4, {side}, {side}, {c}), dtype=np.uint8)  # or Pillow's",
        "model.embed(images)  # a row for each image",
    ]
    if not facts.whole:
        lines += [
            f"seen = model.scan(images, views={facts.observed}, seed=0)  # where it looks, and what it sees there",
            "seen.poses, seen.aggregate",
        ]
    lines += [
        f"glimpses = np.zeros((2, {h}, {w}, {c}), np.uint8)",
        "model.embed_glimpses(glimpses)",
        "model.encoder  # a torch module: bytes (b, c, h, w) in, embeddings out",
        "model.classes  # of the training data",
        "```",
    ]
    need = "Needs gazeworld, with its extra `hub` where it is loaded from the hub"
    if facts.policy["name"] == "sb3":
        need += ", and with `rl`, since it looks by a policy of Stable-Baselines3"
    return f"{need}.\n\n" + "\n".join(lines)


def _measured(config: Mapping[str, Any], probes: Mapping[str, Any] | None) -> str:
    if probes is None:
        return f"Not probed at step {config['step']}."
    trained, untrained = (scores(dict(probes), which) for which in ("trained", "untrained"))
    rows = ["| | trained | untrained |", "|---|---|---|"]
    for key, value in trained.items():
        what, form, unit = ("top-1", ".1f", " %") if key.startswith("z_") else ("R²", ".3f", "")
        rows.append(f"| {what}, {_line(key)} | {value:{form}}{unit} | {untrained[key]:{form}}{unit} |")
    why = unrecognised(probes)
    if why:
        told = [f"Recognition was not measured: {_line(why)}."]
    else:
        own = probes["recognition"]["policy"]
        split = _line(own["aggregate"]["scored on"]["split"])
        but = ", not by the one that comes with the model" if config.get("learnt_policy") is not None else ""
        told = [
            f"Recognition is scored on the split `{split}`: z_1 is the embedding of one view, z_AGG of several, chosen "
            f"by the policy `{_line(str(own['fixations'].get('name', UNKNOWN)))}`{but}."
        ]
    told += ["The untrained model is the same before training. How read-outs were trained stands in probes.json."]
    return f"Linear and other read-outs of the frozen model. {' '.join(told)}\n\n" + "\n".join(rows)


def _made(facts: ModelFacts, config: Mapping[str, Any], source: str, licence: str) -> str:
    made = config.get("made_by", {})
    rows = {
        "scenario": config["scenario"],
        "command": made.get("command", UNKNOWN),
        "seed": facts.seed,
        "optimiser steps": config["step"],
        "data": f"source {source}, split {config['config'].get('world', {}).get('split', UNKNOWN)}",
        "fingerprint of the data": facts.fingerprint or UNKNOWN,
        "licence of the data": licence,
        **_learnt(config.get("learnt_policy")),
        "versions": ", ".join(f"{key} {value}" for key, value in _pairs(made.get("versions"))) or UNKNOWN,
        "device": made.get("device", UNKNOWN),
        "time": made.get("time", UNKNOWN),
    }
    table = ["| | |", "|---|---|", *(f"| {key} | `{_line(str(value))}` |" for key, value in rows.items())]
    return (
        "\n".join(table) + "\n\nAll settings stand in config.json. The weights are safetensors; loading runs no code."
    )


def _learnt(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """What made the policy that comes with the model."""
    if found is None:
        return {}
    made, plan = found.get("made_by", {}), found.get("train_policy", {})
    return {
        "command of the policy": made.get("command", UNKNOWN),
        "steps and seed of the policy": f"{plan.get('steps', UNKNOWN)}, {plan.get('seed', UNKNOWN)}",
    }


def _pairs(found: Any) -> Iterator[tuple[str, Any]]:
    yield from found.items() if isinstance(found, Mapping) else ()


def _line(text: str) -> str:
    """A text that stays one word of Markdown's tables and code, whatever is in it."""
    return re.sub(r"[`|\x00-\x1f\x7f]", " ", text)
