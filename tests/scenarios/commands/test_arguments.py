"""What a command says in words of its own has the defaults of what it is said of: they cannot drift apart."""

import dataclasses
from pathlib import Path

from gazeworld.agents.config import AgentConfig, PolicyPlan
from gazeworld.agents.runs import provenance
from gazeworld.agents.runs.policy_run import PolicyChoices
from gazeworld.envs.object_datasets.render_tree import StudioConfig
from gazeworld.scenarios.commands import data
from gazeworld.scenarios.commands._arguments import AgentArguments
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands.train_policy import TrainPolicyArguments


def test_an_agent_in_words_is_the_usual_agent() -> None:
    said, usual = AgentArguments().chosen(), AgentConfig()
    names = {field.name for field in dataclasses.fields(AgentConfig)}
    assert {field.name for field in dataclasses.fields(AgentArguments)} == names
    assert said.keys() == names - {"episode_steps", "discrete_actions"}, "those follow from the world"
    for name in ("algorithm", "environments", "observation", "rewards"):
        assert said[name] == getattr(usual, name), name
    assert (said["policy"], said["options"]) == ({}, {}), "beside or instead of the algorithm's own"


def test_a_policy_in_words_is_the_usual_plan() -> None:
    said, choices, usual = TrainPolicyArguments(Path("run")), PolicyChoices(), PolicyPlan()
    assert said.steps is choices.steps is None, "on resuming, what is written"
    for name in ("every", "prepare", "seed"):
        assert getattr(said, name) == getattr(choices, name) == getattr(usual, name), name
    assert (said.prepare_policies, choices.prepare_on, usual.prepare_on) == ((), (), ())


def test_a_set_in_words_is_the_usual_set() -> None:
    said = data.config_of(data.RenderArguments(Path("set")))
    assert said == dataclasses.replace(StudioConfig(), source="furniture")


def test_a_program_that_calls_the_command_line_goes_on_in_its_own_name() -> None:
    assert main(["list", "too much"]) == 2
    assert provenance.words() is None
    assert not provenance.command().startswith("gazeworld ")
