"""Look around in four scenes and draw where the glimpses fell: python scan_path.py [FILE.png]."""

import sys

from gazeworld.agents import collect, make_policy
from gazeworld.envs import ActiveVisionVectorEnv, Draws, make_world
from gazeworld.scenarios.reports.scan_paths import scanpaths

file = sys.argv[1] if len(sys.argv) > 1 else "scan_path.png"
world = make_world("saccade", source="digits", glimpse=16)
env = ActiveVisionVectorEnv(num_envs=4, world=world, episode_steps=5, tensors=True)
policy = make_policy("saliency", world, map="contrast", ior=True)
env.reset(seed=0)
stream = collect(env, policy, length=6, rng=Draws.rows(0, env.num_envs))
scanpaths(world, stream).savefig(file)
print(f"{file}: {len(stream.scenes)} scenes, {stream.length} fixations each")
