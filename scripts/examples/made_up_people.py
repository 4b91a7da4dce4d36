"""Made-up people whose way of looking is known: a policy looks at digit scenes, and its fixations become a table.

python scripts/examples/made_up_people.py OUT.csv [POLICY [OPTIONS as JSON [PEOPLE [IMAGES [FIXATIONS]]]]]

`gazeworld score-gaze saccade-digits --fixations OUT.csv --policy …` then scores policies by them: the one that made
them must reach what there is to reach, and others must not (scenarios/human_gaze.md).
"""

import csv
import json
import sys

import torch

from gazeworld.agents import make_policy
from gazeworld.agents.policy import begun, stepped
from gazeworld.envs import make_world
from gazeworld.envs.rng import Draws

file, name, options, people, images, fixations = [
    *sys.argv[1:],
    *("made_up_people.csv", "saliency", '{"ior": false}', "8", "50", "8")[len(sys.argv) - 1 :],
]
world = make_world("saccade", source="digits", split="test", glimpse=16, first="centre")
policy = make_policy(name, world, **json.loads(options))
assert world.images is not None
index = torch.linspace(0, world.size - 1, int(images)).long()
with open(file, "w", newline="", encoding="utf-8") as out:
    table = csv.writer(out)
    table.writerow(["image", "subject", "order", "x", "y"])
    for person in range(int(people)):
        rng = Draws.rows(1000 * person + 1, len(index))
        memory = begun(world, world.scene(index, rng))
        for step in range(int(fixations) - 1):
            memory = stepped(world, memory, policy.act(memory, rng.fold(step)).action)
        for scene, path in zip(index.tolist(), (memory.poses * world.images.side).tolist(), strict=True):
            table.writerows([scene, f"person {person}", order, x, y] for order, (y, x) in enumerate(path))
print(f"{file}: {people} people, {len(index)} images, {fixations} fixations each, as {name} {options} looks")
