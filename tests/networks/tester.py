"""What every network must do, whatever it is for."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Output = Tensor | Mapping[str, Tensor]


def check_network(
    build: Callable[[], nn.Module], image: Tensor, expected: dict[str, tuple[int, ...]]
) -> None:
    """Check shapes, learning, storing and determinism; ``expected`` maps output to shape.

    A network that gives one tensor is expected to give ``{"": shape}``.
    """
    network = build()
    shapes = {name: tuple(out.shape) for name, out in named(network(image)).items()}
    assert shapes == expected
    _check_learning(network, image)
    _check_determinism(network, image)
    _check_round_trip(network, build(), image)


def named(output: Output) -> dict[str, Tensor]:
    return {"": output} if isinstance(output, Tensor) else dict(output)


def _check_learning(network: nn.Module, image: Tensor) -> None:
    network.train()
    network.zero_grad(set_to_none=True)
    torch.stack(
        [out.float().square().mean() for out in named(network(image)).values()]
    ).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{name} gets no gradient"
        assert parameter.grad.isfinite().all(), f"{name} has a gradient that is not finite"


def _check_determinism(network: nn.Module, image: Tensor) -> None:
    network.eval()
    with torch.no_grad():
        first, second = named(network(image)), named(network(image))
        alone = named(network(image[:1]))
    for name, out in first.items():
        assert torch.equal(out, second[name])
        assert out.isfinite().all()
        torch.testing.assert_close(alone[name], out[:1], rtol=1e-4, atol=1e-4)


def _check_round_trip(network: nn.Module, other: nn.Module, image: Tensor) -> None:
    other.load_state_dict(network.state_dict())
    other.eval()
    with torch.no_grad():
        there, back = named(network(image)), named(other(image))
    assert all(torch.equal(there[name], back[name]) for name in there)
