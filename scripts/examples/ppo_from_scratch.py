"""PPO in one file over gymnasium.make_vec, as CleanRL has it: python ppo_from_scratch.py [ID] [STEPS].

Any id of Gymnasium with the observation of gazeworld's will do. The default one pays for every view what it adds to
what was seen of the scene: random saccades earn 0.29 an episode, and after half a minute of one CPU core it is 0.41.
"""

import sys

import gymnasium
import torch
from gymnasium.spaces import Box, Dict
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from torch import nn
from torch.distributions import Normal

import gazeworld.envs  # noqa: F401 (registers the ids)

id = sys.argv[1] if len(sys.argv) > 1 else "gazeworld/SaccadeCoverage-v0"
total = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
rows, length, epochs, parts, gamma, lam, clip, entropy = 64, 16, 4, 4, 0.9, 0.95, 0.2, 0.001
torch.manual_seed(0)
torch.set_num_threads(1)
env = RecordEpisodeStatistics(gymnasium.make_vec(id, rows, autoreset_mode="SameStep"))  # as CleanRL resets


class Agent(nn.Module):
    """Sees the present view and pose, and says what to do (mean and deviation) and what that is worth."""

    def __init__(self, view: tuple[int, ...], pose: int, actions: int) -> None:
        super().__init__()
        conv = [nn.Conv2d(view[2], 16, 4, 2), nn.ReLU(), nn.Conv2d(16, 16, 4, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(3)]
        self.eye = nn.Sequential(*conv, nn.Flatten())
        self.actor, self.critic = (
            nn.Sequential(nn.Linear(144 + pose, 64), nn.Tanh(), nn.Linear(64, outputs)) for outputs in (actions, 1)
        )
        self.deviation = nn.Parameter(torch.full((actions,), -1.0))

    def forward(self, seen: tuple[torch.Tensor, torch.Tensor]) -> tuple[Normal, torch.Tensor]:
        """The distribution of actions, and the value, of every row."""
        view, pose = seen
        features = torch.cat([self.eye(view.permute(0, 3, 1, 2).float() / 255), pose], 1)
        return Normal(self.actor(features), self.deviation.exp()), self.critic(features)[:, 0]


def tensors(observation: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """View and pose as the network takes them."""
    return torch.as_tensor(observation["view"]), torch.as_tensor(observation["pose"])


shown, box = env.single_observation_space, env.single_action_space
assert isinstance(shown, Dict)
assert isinstance(box, Box)
agent = Agent(shown["view"].shape or (), (shown["pose"].shape or (0,))[0], box.shape[0])
optimiser = torch.optim.Adam(agent.parameters(), lr=1e-3, eps=1e-5)
seen, returns = tensors(env.reset(seed=0)[0]), []
for update in range(max(1, total // (rows * length))):
    steps = []
    for _ in range(length):
        with torch.no_grad():
            choice, value = agent(seen)
            action = choice.sample()
        observation, reward, terminated, truncated, info = env.step(action.clamp(box.low[0], box.high[0]).numpy())
        over = torch.as_tensor(terminated | truncated)  # episodes have a fixed length: their end is an end
        steps.append((*seen, action, choice.log_prob(action).sum(1), value, torch.as_tensor(reward).float(), over))
        seen = tensors(observation)
        if over.any():
            returns += info["episode"]["r"][over.numpy()].tolist()
    views, poses, actions, log_probs, values, rewards, ends = (torch.stack(one) for one in zip(*steps, strict=True))
    with torch.no_grad():
        after, advantage, advantages = agent(seen)[1], torch.zeros(rows), torch.zeros_like(values)
    for t in reversed(range(length)):  # generalised advantage estimation
        goes_on = (~ends[t]).float()
        error = rewards[t] + gamma * goes_on * (after if t == length - 1 else values[t + 1]) - values[t]
        advantages[t] = advantage = error + gamma * lam * goes_on * advantage
    flat = [x.flatten(0, 1) for x in (views, poses, actions, log_probs, advantages, advantages + values)]
    for _ in range(epochs):
        for batch in torch.randperm(rows * length).chunk(parts):
            view, pose, action, old, gain, target = (x[batch] for x in flat)
            choice, value = agent((view, pose))
            ratio = (choice.log_prob(action).sum(1) - old).exp()
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
            surrogate = torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain).mean()
            loss = 0.5 * (value - target).square().mean() - surrogate - entropy * choice.entropy().sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimiser.step()
    if update % 10 == 9 or update == max(1, total // (rows * length)) - 1:
        print(f"{(update + 1) * rows * length} steps: return {sum(returns) / len(returns):.3f}", flush=True)
        returns = []
