"""What a scenario may set about agents and alternating phases; imports no torch, so the command line stays quick."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gazeworld.envs.validation import Natural, OptionError, Options, Positive, Rows, Views, shown

Algorithm = Literal["ppo", "recurrent-ppo", "maskable-ppo", "sac", "crossq"]
Observation = Literal["latent", "latent+periphery", "pixels", "flat-pixels"]


@dataclass(frozen=True)
class AgentConfig(Options, owner="agent"):
    """An agent of Stable-Baselines3 and what it acts in; everything is JSON-able."""

    algorithm: Algorithm = "maskable-ppo"
    """ppo, recurrent-ppo, maskable-ppo, sac or crossq"""
    environments: Rows = 64
    """rows of its environment"""
    episode_steps: Views = 3
    """actions of an episode; an episode has one view more"""
    observation: Observation = "latent"
    """latent, latent+periphery, pixels or flat-pixels"""
    menu: dict[str, Any] | None = field(default_factory=lambda: {"name": "fixations", "side": 9})
    """the list that actions are chosen from (`name` and its options), or None for continuous actions"""
    rewards: tuple[dict[str, Any], ...] = ({"name": "recognition"},)
    """rewards, each with `name` and its options; they add up"""
    policy: dict[str, Any] = field(default_factory=dict)
    """options of the network: SB3's policy_kwargs, classes by name"""
    options: dict[str, Any] = field(default_factory=lambda: {"gamma": 0.5})
    """the algorithm's own options; what is to be seen next matters more than what comes later"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bad := [reward for reward in self.rewards if "name" not in reward]:
            raise OptionError(f"agent.rewards holds {shown(bad[0])}, expected a 'name' in each")


@dataclass(frozen=True)
class PhaseConfig(Options, owner="phases"):
    """How a world model and a policy take turns; AdaptiveNN (arXiv 2509.15333) alternates its updates, too."""

    phases: Positive = 10
    """turns of each: the world model learns, then the policy"""
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
