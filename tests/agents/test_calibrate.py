"""The untrained baseline is normalised by what it sees."""

import torch

from gazeworld.agents.probes.features import calibrate
from gazeworld.envs.stream import Stream
from gazeworld.models.method import make_method


def test_embeddings_are_normalised_and_weights_stay() -> None:
    torch.manual_seed(0)
    method = make_method(
        "seq-jepa", view_shape=(1, 8, 8), action_dim=2, mean=(0.2,), std=(0.1,), encoder="small", dim=8, width=4,
        action_width=4, hidden=8,
    )  # fmt: skip
    views = torch.randint(0, 256, (60, 3, 8, 8, 1), dtype=torch.uint8).permute(0, 1, 4, 2, 3)
    stream = Stream(views, torch.zeros(60, 2, 2), torch.zeros(60, 3, 2), torch.zeros(60).long(), torch.arange(60))
    weights = [p.clone() for p in method.parameters()]
    before = method.eval().encode(views).flatten(0, 1)
    after = calibrate(method, stream, chunk=20).encode(views).flatten(0, 1)
    assert not torch.allclose(before.std(0), torch.ones(8), atol=0.1)
    torch.testing.assert_close(after.mean(0), torch.zeros(8), atol=0.1, rtol=0)
    torch.testing.assert_close(after.std(0), torch.ones(8), atol=0.1, rtol=0)
    goals = method.goal(views).flatten(0, 1)
    torch.testing.assert_close(goals.std(0), torch.ones(8), atol=0.1, rtol=0)
    assert all(torch.equal(a, b) for a, b in zip(weights, method.parameters(), strict=True))
    assert not method.training
    assert all(m.momentum == 0.1 for m in method.modules() if isinstance(m, torch.nn.BatchNorm2d))
