"""A checkout of a package with the interface of deepgaze_pytorch, and its ways, in a few lines of our own."""

from pathlib import Path

import torch

from gazeworld.envs.priors._deepgaze_network import Model, built

PACKAGE = """
import clip  # for another model
from einops import rearrange

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils import model_zoo

print("Loaded something")


class Readout(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.weight = nn.Parameter(torch.tensor([9.0, 5.0, -3.0]))
        self.seen = []

    def forward(self, x):
        self.seen.append((tuple(x.shape), float(x.max())))
        y = self.norm(x / 255.0) * self.weight[None, :, None, None]
        return F.avg_pool2d(y.sum(1, keepdim=True), 9, 1, 4)


def finished(readout, centerbias):
    size = [centerbias.shape[1], centerbias.shape[2]]  # whatever the image's is
    out = F.interpolate(readout, size)[:, 0] + centerbias
    return out - out.logsumexp(dim=(1, 2), keepdim=True)


class DeepGazeI(nn.Module):
    def __init__(self, pretrained=True):
        super().__init__()
        self.backbone = torch.hub.load("pytorch/vision:v0.6.0", "squeezenet1_1", pretrained=True)
        self.readout = Readout()
        if pretrained:
            self.load_state_dict(model_zoo.load_url("https://example.org/deepgaze1.pth"))

    def forward(self, x, centerbias):
        return finished(self.readout(x), centerbias)

    def train(self, mode=True):
        self.readout.train(mode=mode)


class DeepGazeIIE(nn.Module):
    def __init__(self, pretrained=True):
        super().__init__()
        self.readout = Readout()
        checkpoint = model_zoo.load_url("https://example.org/backbone.pth")
        self.readout.load_state_dict(checkpoint["state_dict"])

    def forward(self, x, centerbias):
        return finished(self.readout(x), centerbias)[:, None]


class DeepGazeIII(nn.Module):
    def __init__(self, pretrained=True):
        super().__init__()
        self.readout = Readout()
        self.slots = nn.Parameter(torch.tensor([-300.0, 20.0, 10.0, 5.0]))  # towards the last, away from those before
        self.included_fixations = [-1, -2, -3, -4]

    def forward(self, x, centerbias, x_hist=None, y_hist=None):
        height, width = x.shape[2:]
        rows = torch.arange(height)[None, :, None] - y_hist[:, :, None, None]
        columns = torch.arange(width)[None, None, :] - x_hist[:, :, None, None]
        near = (rows / height) ** 2 + (columns / width) ** 2  # b 4 h w
        result = None
        for slot in range(4):
            valid = ~torch.isnan(x_hist[:, slot])
            if not torch.any(valid):
                continue
            if result is None:
                result = torch.zeros_like(near[:, 0])
            result[valid] += self.slots[slot] * near[valid, slot]
        return finished(self.readout(x) + torch.mul(result, 1.0)[:, None], centerbias)[:, None]
"""


def checkout(folder: Path) -> Path:
    """A folder that holds the package, as a clone would."""
    (folder / "deepgaze_pytorch").mkdir(parents=True)
    (folder / "deepgaze_pytorch" / "__init__.py").write_text(PACKAGE)
    return folder


def weights(model: Model, repo: Path, folder: Path, name: str = "") -> Path:
    """A file with the weights of a model as it is built, with running means that are not the first ones."""
    state = built(model, str(repo)).state_dict()
    state["readout.norm.running_mean"] += 0.3
    state["readout.norm.running_var"] *= 0.1
    file = folder / (name or model.file)
    torch.save(state, file)
    return file
