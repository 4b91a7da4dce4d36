"""Every method keeps the contract, and the check says in one sentence what breaks it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gazeworld.envs.conformance import ConformanceError
from gazeworld.envs.stream import Stream
from gazeworld.models.conformance import check_method
from gazeworld.models.method import Method, WorldSpec


class Shrink(Method):
    """Embeddings of views shall be small."""

    def __init__(self, spec: WorldSpec, *, dim: int = 3) -> None:
        super().__init__()
        c, h, w = spec.view_shape
        self.encoder = nn.Linear(c * h * w, dim)
        self.view_dim = self.aggregate_dim = dim

    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        return self.encode(stream.views).square().mean(), {}

    def encode(self, views: Tensor) -> Tensor:
        return self.encoder(views.flatten(2) / 255)

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return encoded.mean(1)


class Spare(Shrink):
    def __init__(self, spec: WorldSpec) -> None:
        super().__init__(spec)
        self.spare = nn.Linear(2, 2)


class Long(Shrink):
    def encode(self, views: Tensor) -> Tensor:
        return torch.cat([super().encode(views)] * 2, -1)


class Attached(Shrink):
    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        loss, _ = super().loss(stream)
        return loss, {"loss": loss}


class Climbing(Shrink):
    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        loss, terms = super().loss(stream)
        return loss.detach() * 2 - loss, terms


class Drifting(Shrink):
    def after_step(self, progress: float) -> None:
        with torch.no_grad():
            self.encoder.weight.mul_(0.9)


class Crowded(Shrink):
    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return encoded.mean(1) - encoded.mean((0, 1))


class Counting(Shrink):
    def __init__(self, spec: WorldSpec) -> None:
        super().__init__(spec)
        self.register_buffer("seen", torch.zeros(()))

    def encode(self, views: Tensor) -> Tensor:
        self.seen += 1
        return super().encode(views)


class Forgetful(Shrink):
    def __init__(self, spec: WorldSpec) -> None:
        super().__init__(spec)
        self.turn = torch.rand(())  # no buffer

    def encode(self, views: Tensor) -> Tensor:
        return super().encode(views) * self.turn


class Unlike(Shrink):
    def predict(self, aggregate: Tensor, action: Tensor) -> Tensor:
        return torch.cat((aggregate, action), 1)

    def goal(self, views: Tensor) -> Tensor:
        return self.encode(views).detach()


class Infinite(Shrink):
    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        return super().loss(stream)[0] / 0, {}


def test_a_stranger_s_method_conforms() -> None:
    check_method(Shrink, dim=5)
    check_method(Shrink, spec=WorldSpec((3, 8, 12), 4, (0.5,) * 3, (0.2,) * 3))


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (Spare, "Spare: no gradient reaches spare.weight; what is not trained has requires_grad False"),
        (Long, r"Long.represent\(\).views has shape \(6, 3, 6\), expected \(6, 3, 3\)"),
        (Attached, r"Attached.loss\(\) of 2 views: 'loss' among what is worth logging is no detached finite tensor"),
        (Climbing, "Climbing: one step of AdamW at a rate of 0.001 takes the loss of its batch from"),
        (Drifting, "Drifting.after_step changes encoder.weight, which is trained by gradient"),
        (Crowded, "Crowded.represent gives a stream something else when others, or none, are beside it"),
        (Counting, "Counting.represent changes seen in eval mode"),
        (Forgetful, "Forgetful: another one with the same state dict does something else"),
        (Unlike, r"Unlike.predict\(\) has shape \(6, 5\), expected \(6, 3\)"),
        (Infinite, r"Infinite.loss\(\) of 2 views holds numbers that are not finite"),
        (lambda spec: nn.Linear(1, 1), "made Linear, expected a class derived from gazeworld.models.Method"),
    ],
)
def test_what_breaks_the_contract_is_one_sentence(method: Any, said: str) -> None:
    before = torch.get_rng_state()
    with pytest.raises(ConformanceError, match=said) as told:
        check_method(method)
    assert "\n" not in str(told.value)
    assert torch.equal(torch.get_rng_state(), before)
