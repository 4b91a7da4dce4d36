"""Find a place by what it looks like, planning in a trained world model: python plan_to_target.py RUN [FILE.png].

RUN is the folder of a run, as `gazeworld train saccade-digits` leaves it.
"""

import sys
from pathlib import Path

import torch

from gazeworld.agents import collect, make_policy
from gazeworld.envs import ActiveVisionVectorEnv, Draws
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.scenarios.reports.scan_paths import scanpaths

run, file = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "plan_to_target.png"
target = (0.35, 0.65)  # (row, col) of the glimpse that is looked for, in units of the image side
world = SaccadeWorld("digits", "test", glimpse=16)
env = ActiveVisionVectorEnv(num_envs=64, world=world, episode_steps=3, tensors=True)
planner = make_policy("goal", world, model=str(run), pose=target, radius=4.0)  # it is shown the view at the target
env.reset(seed=0)
stream = collect(env, planner, length=4, rng=Draws.rows(0, env.num_envs))
nearest = ((stream.poses - torch.tensor(target)).norm(dim=-1) * world.side).amin(1)  # px, over the fixations
scanpaths(world, stream).savefig(file)
print(f"{file}: within 8 px of the target in {(nearest <= 8).float().mean():.0%} of {len(nearest)} scenes")
