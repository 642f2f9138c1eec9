import pytest
import torch
from torch import nn

from histoseg.networks import HoVerNet, fold_batch_norms


# One of the stem, two in each of five units; one in each of three dense units of three branches.
@pytest.mark.parametrize(("encoder", "fewer"), [(None, 1 + 5 * 2 + 9), ("resnet18", 9)])
def test_predicts_the_same_with_fewer_norms(encoder: str | None, fewer: int) -> None:
    torch.manual_seed(0)
    network = HoVerNet(2, encoder=encoder, width=8, depths=(2, 1, 1, 1), dense_units=(2, 1))
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias)
    image = torch.rand(4, 3, 64, 64)
    network.train()(image)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded = fold_batch_norms(network)
    assert network.training
    network.eval()
    with torch.no_grad():
        expected, outputs = network(image), folded(image)
    for name, out in outputs.items():
        torch.testing.assert_close(out, expected[name], rtol=1e-3, atol=1e-4)
    assert count_norms(network) - count_norms(folded) == fewer
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def count_norms(network: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())
