"""The folder of a run: one module knows what lies where, metrics grow and are cut by one rule, old names are found."""

import ast
import json
from pathlib import Path

import pytest
from fakes.runs import leave, probes

from gazeworld.agents.metric_lines import Lines, line_of, read_lines
from gazeworld.agents.run_folder import PolicyFolder, RunFolder, runs_in, write_probes
from gazeworld.envs.files import DataError
from gazeworld.scenarios.commands import _catalogue

ROOT = Path(__file__).parent.parent.parent
OWNER = ROOT / "agents/run_folder.py"
OTHERS = sorted(p for folder in ("envs", "models", "agents", "scenarios") for p in (ROOT / folder).rglob("*.py"))
NAMES = {
    *("config.json", "metrics.jsonl", "probes.json", "history.jsonl", "report.html", "checkpoints", "tensorboard"),
    "loggers.json",
    *("policy.json", "policy.safetensors", "agent.json", "agent.safetensors"),
}
WORDS = {"figures", "policies", "ensemble", "heads", "compare"}
"""Names as well, but words besides: only what is joined to a path, or a glob, is looked at."""
EXCEPT = {
    ROOT / "scenarios/commands/sweep.py": "a folder of figures of many runs, beside them",
    ROOT / "agents/runs/export_folder.py": "what lies in the folder of an exported model, which is none of a run",
    ROOT / "envs/priors/_deepgaze_network.py": "the folder that torch.hub keeps weights in",
    ROOT / "agents/runs/hub.py": "what a model on the hub must have",
    ROOT / "agents/config.py": "TensorBoard as the name of a logger",
    ROOT / "agents/training/loggers.py": "TensorBoard as the name of a logger",
}


def spelt(file: Path) -> set[str]:
    """Names inside a run's folder that a file spells as a string; docstrings and sentences may."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            found |= NAMES & set(node.value.strip("/*").split("/"))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            found |= WORDS & set(str(node.right.value).split("/"))
        called = node.func if isinstance(node, ast.Call) else None
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if isinstance(node, ast.Call) and name in ("Path", "joinpath", "located", "glob"):
            texts = [str(one.value) for one in node.args if isinstance(one, ast.Constant)]
            found |= (WORDS | NAMES) & {part for text in texts for part in text.split("/")}
    return found


@pytest.mark.parametrize("file", [p for p in OTHERS if p != OWNER], ids=lambda p: str(p.relative_to(ROOT)))
def test_nobody_else_knows_what_lies_in_the_folder_of_a_run(file: Path) -> None:
    assert not spelt(file) or file in EXCEPT


def test_the_rule_sees_names_where_they_are() -> None:
    assert spelt(OWNER) == NAMES | {"compare"}
    assert all(spelt(file) for file in EXCEPT), "no exception without need"


def test_metrics_grow_and_are_cut_at_the_step_that_training_goes_on_from(tmp_path: Path) -> None:
    file = RunFolder(tmp_path).metrics
    lines = Lines(file, start=0)
    for step in (1, 2, 3):
        lines.append(step, {"loss": float("nan") if step == 2 else 0.5})
    lines.close()
    file.write_bytes(file.read_bytes() + b'{"step": 4, "lo')  # a kill
    assert read_lines(file) == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None}, {"step": 3, "loss": 0.5}]
    Lines(file, start=2).close()
    assert [line["step"] for line in read_lines(file)] == [1, 2]
    Lines(file, start=0).close()
    assert file.read_bytes() == b""
    file.write_text("no\n")
    with pytest.raises(DataError, match="line 1: not a record of metrics with a step"):
        Lines(file, start=2)
    assert file.read_text() == "no\n"
    assert line_of(3, {"a": float("inf")}) == {"step": 3, "a": None}


def test_runs_are_found_in_the_folder_of_one_and_in_a_folder_of_them(tmp_path: Path) -> None:
    first, second = (
        leave(tmp_path / name, "saccade-digits", _catalogue.load("saccade-digits"), probes([0.5], {}))
        for name in ("a", "b")
    )
    assert runs_in(tmp_path) == [first, second]
    assert runs_in(first) == [first]
    assert runs_in(tmp_path / "c") == []


def test_an_ensemble_is_found_by_its_name_of_now_or_of_before(tmp_path: Path) -> None:
    place = RunFolder(tmp_path)
    assert place.ensemble_found == place.ensemble == tmp_path / "ensemble"
    (tmp_path / "heads").mkdir()
    assert place.ensemble_found == tmp_path / "heads"
    place.ensemble.mkdir()
    assert place.ensemble_found == place.ensemble


def test_the_folder_of_a_policy_lies_in_that_of_its_run(tmp_path: Path) -> None:
    own = PolicyFolder(RunFolder(tmp_path).policies / "ppo-0")
    assert own.facts == tmp_path / "policies/ppo-0/policy.json"
    assert own.weights == tmp_path / "policies/ppo-0/policy.safetensors"


def test_probes_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_probes(tmp_path, {"a": float("nan")})
    assert not RunFolder(tmp_path).probes.exists()
    write_probes(tmp_path, {"a": "é"})
    assert json.loads(RunFolder(tmp_path).probes.read_text(encoding="utf-8")) == {"a": "é"}
