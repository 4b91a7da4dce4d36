"""Reinforcement learning of where to look: Stable-Baselines3's algorithms over gazeworld's vector environment.

In one call
    train_policy      train_policy: a policy for a world and a frozen world model, saved and resumed in stretches
    alternate         joint training: a world model and a policy learn in alternating phases
What a policy acts in, from the inside out
    memory            Remember: what an agent knows of the episodes it is in; Moment and Change
    reward            Reward, the contract of the wrappers in `gazeworld.agents.rewards`, and what they learn
    observations      Observe: what a policy sees of all that: latent states, or pixels
    discrete_actions  numbered poses to choose from instead of continuous actions, with masks
    rewarded          RewardedEnv, rewarded_vector_env: rewards behind Gymnasium ids; with_rewards stacks them
    vec_env           SB3VecEnv: all of it as the VecEnv that Stable-Baselines3 wants; make_sb3_env, in one call
Agents
    algorithms        make_agent, agent_for, agent_config: PPO, RecurrentPPO, MaskablePPO, SAC, CrossQ
    options           types and bounds of the algorithms' and networks' options
    acting            AgentPolicy: what was learnt, as a policy of gazeworld
    saving            policies and agents on disk, without code
    replay            StreamReplay: recent streams, for the world model in joint training

Everything but memory, reward, rewarded, observations, discrete_actions and replay needs the extra `rl`: without it,
importing them raises MissingExtraError. The call that trains a policy is `gazeworld.agents.train_policy`.
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from .acting import AgentPolicy
    from .algorithms import GlimpseExtractor, agent_config, agent_for, make_agent
    from .alternate import JointTraining
    from .discrete_actions import DiscreteActions, make_discrete_actions
    from .memory import Change, Moment, Remember
    from .observations import Observe
    from .replay import StreamReplay
    from .reward import Reward, make_reward
    from .rewarded import RewardedEnv, rewarded_vector_env, with_rewards
    from .saving import restore_agent, save_agent, save_policy
    from .train_policy import NonFinitePolicyError, PolicyTraining
    from .vec_env import NonFiniteRewardError, SB3VecEnv, make_sb3_env

__all__ = [
    "AgentPolicy",
    "Change",
    "DiscreteActions",
    "GlimpseExtractor",
    "JointTraining",
    "MissingExtraError",
    "Moment",
    "NonFinitePolicyError",
    "NonFiniteRewardError",
    "Observe",
    "PolicyTraining",
    "Remember",
    "Reward",
    "RewardedEnv",
    "SB3VecEnv",
    "StreamReplay",
    "agent_config",
    "agent_for",
    "make_agent",
    "make_discrete_actions",
    "make_reward",
    "make_sb3_env",
    "restore_agent",
    "rewarded_vector_env",
    "save_agent",
    "save_policy",
    "with_rewards",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "train_policy": ("NonFinitePolicyError", "PolicyTraining"),
        "alternate": ("JointTraining",),
        "memory": ("Change", "Moment", "Remember"),
        "reward": ("Reward", "make_reward"),
        "rewarded": ("RewardedEnv", "rewarded_vector_env", "with_rewards"),
        "observations": ("Observe",),
        "discrete_actions": ("DiscreteActions", "make_discrete_actions"),
        "vec_env": ("NonFiniteRewardError", "SB3VecEnv", "make_sb3_env"),
        "algorithms": ("GlimpseExtractor", "agent_config", "agent_for", "make_agent"),
        "acting": ("AgentPolicy",),
        "saving": ("restore_agent", "save_agent", "save_policy"),
        "replay": ("StreamReplay",),
    },
)


class MissingExtraError(ValueError):
    """Something that needs a package which is not installed; the message says which, and how to get it."""


def missing_sb3(error: ImportError) -> MissingExtraError:
    """The error to raise where Stable-Baselines3 or sb3-contrib cannot be imported."""
    return MissingExtraError(
        f"agents of Stable-Baselines3 need packages that are not installed ({error}); pip install 'gazeworld[rl]'"
    )
