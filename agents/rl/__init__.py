"""Reinforcement learning of where to look: Stable-Baselines3's algorithms over gazeworld's vector environment.

In one call
    train_policy      train_policy: a policy for a world and a frozen world model, saved and resumed in stretches
    alternate         joint training: a world model and a policy learn in alternating phases
What a policy acts in, from the inside out
    memory            Remember: what an agent knows of the episodes it is in; Moment and Change
    reward            Reward, the contract of the wrappers in `gazeworld.agents.rewards`, and what they learn
    observations      Observe: what a policy sees of all that: latent states, or pixels
    discrete_actions  numbered poses to choose from instead of continuous actions, with masks
    vec_env           SB3VecEnv: all of it as the VecEnv that Stable-Baselines3 wants
Agents
    algorithms        make_agent, agent_for, agent_config: PPO, RecurrentPPO, MaskablePPO, SAC, CrossQ
    options           types and bounds of the algorithms' and networks' options
    acting            AgentPolicy: what was learnt, as a policy of gazeworld
    saving            policies and agents on disk, without code
    replay            StreamReplay: recent streams, for the world model in joint training

Everything but memory, reward, observations, discrete_actions and replay needs the extra `rl`.
"""
