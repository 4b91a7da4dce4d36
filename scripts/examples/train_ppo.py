"""Train Stable-Baselines3's PPO to look at as much of a scene as it can: python train_ppo.py [STEPS] [FOLDER].

The agent sees one glimpse at a time and where it is. It is rewarded for the share of the scene that no earlier glimpse
has shown, and chooses each fixation from a grid of 5 × 5. About a minute on one CPU core.
"""

import sys
from pathlib import Path

import numpy as np

from gazeworld.agents.rl import Observe, Remember, SB3VecEnv, make_agent, make_reward, save_policy
from gazeworld.envs import ActiveVisionVectorEnv, make_world

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
folder = Path(sys.argv[2] if len(sys.argv) > 2 else "ppo")
world = make_world("saccade", source="digits", glimpse=16)
env = ActiveVisionVectorEnv(num_envs=64, world=world, episode_steps=8, tensors=True, autoreset_mode="SameStep")
env = make_reward("coverage", Remember(env))
env = SB3VecEnv(Observe(env, "flat-pixels"), discrete_actions={"name": "fixations", "side": 5, "ior": False})
agent = make_agent("ppo", env, seed=0, n_steps=16, batch_size=256, gamma=0.5)
while agent.num_timesteps < steps:
    agent.ep_info_buffer = None
    agent.learn(min(steps, 10_000), reset_num_timesteps=False)
    seen = np.mean([episode["r"] for episode in agent.ep_info_buffer or ()])
    print(f"{agent.num_timesteps} steps: 8 saccades show another {seen:.0%} of the scene", flush=True)
save_policy(agent, folder)
print(f"{folder}: weights as safetensors; gazeworld watch saccade-digits --policy {folder} looks with them")
