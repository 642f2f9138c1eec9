import pytest
import torch

from histoseg.ops.symmetry import SYMMETRIES, Symmetry, symmetries

ALL = SYMMETRIES["d4"]


def test_flips_are_four_and_d4_all_eight_of_them() -> None:
    image = torch.arange(16).view(1, 1, 4, 4)
    for name, count in (("none", 1), ("flips", 4), ("d4", 8)):
        seen = {tuple(s.apply(image).flatten().tolist()) for s in symmetries(name)}
        assert len(seen) == len(symmetries(name)) == count
    up_down, left_right = image.flip(-2), image.flip(-1)
    seen = [s.apply(image) for s in symmetries("flips")]
    assert any(torch.equal(s, up_down) for s in seen)
    assert any(torch.equal(s, left_right) for s in seen)
    assert torch.equal(seen[0], image)


@pytest.mark.parametrize("symmetry", ALL)
def test_what_was_turned_is_turned_back(symmetry: Symmetry) -> None:
    maps = torch.randn(2, 3, 5, 8)
    turned = symmetry.apply(maps)
    assert turned.shape[-2:] == ((8, 5) if symmetry.turns % 2 else (5, 8))
    assert torch.equal(symmetry.undo(turned), maps)


@pytest.mark.parametrize("symmetry", ALL)
def test_vectors_turn_with_the_image(symmetry: Symmetry) -> None:
    """The gradient of a turned picture, turned back, is the gradient of the picture."""
    picture = torch.randn(1, 1, 7, 10, dtype=torch.float64)

    def gradient(p: torch.Tensor) -> torch.Tensor:
        down, right = torch.gradient(p[:, 0], dim=(1, 2))
        return torch.stack([right, down], dim=1)

    back = symmetry.undo_vectors(gradient(symmetry.apply(picture)))
    torch.testing.assert_close(back, gradient(picture))
    if symmetry != ALL[0]:
        assert not torch.allclose(symmetry.undo(gradient(symmetry.apply(picture))), back)


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tta=d8: expected one of none, flips, d4"):
        symmetries("d8")
