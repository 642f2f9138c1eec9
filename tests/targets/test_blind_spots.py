import pytest
import torch

from histoseg.targets import blind_spots


def coordinates(height: int, width: int, copies: int = 1) -> torch.Tensor:
    """An image whose value says where it was: row times 1000 plus column."""
    rows, columns = torch.arange(height), torch.arange(width)
    return (rows[:, None] * 1000.0 + columns).expand(1, copies, -1, -1)


@pytest.mark.parametrize(("window", "low", "high"), [(10, -5, 4), (5, -2, 2), (1, 0, 0)])
def test_values_come_from_nearby_and_around_the_edge(window: int, low: int, high: int) -> None:
    image = coordinates(40, 50, 3)
    seen, blind = blind_spots(image, ratio=0.5, window=window)
    down = (seen // 1000 - image // 1000 + 20) % 40 - 20
    right = (seen % 1000 - image % 1000 + 25) % 50 - 25
    for offset in (down, right):
        assert (offset[~blind] == 0).all()
        assert (offset[blind].min(), offset[blind].max()) == (low, high)


@pytest.mark.parametrize(("side", "draws"), [(128, 819), (64, 204)])
def test_share_of_blind_spots(side: int, draws: int) -> None:
    _, blind = blind_spots(torch.zeros(4, 2, side, side))
    assert draws == int(side * side * (1 - 0.95))
    counts = blind.sum((2, 3))
    assert counts.max() <= draws
    expected = side * side * (1 - (1 - 1 / side**2) ** draws)  # with replacement
    assert counts.float().mean().item() == pytest.approx(expected, abs=4)
    assert not torch.equal(blind[0, 0], blind[0, 1]), "each channel has its own"


def test_where_a_pixel_is_drawn_twice_the_later_draw_counts() -> None:
    image, repeated = torch.arange(4.0).view(1, 1, 2, 2), 0
    for seed in range(5):
        torch.manual_seed(seed)
        torch.rand(1)
        place = torch.randint(4, (1, 4))[0].tolist()
        down, right = torch.randint(-1, 1, (2, 1, 4))[:, 0]
        repeated += len(set(place)) < 4
        expected = image.clone()
        for draw, where in enumerate(place):
            y, x = (where // 2 + down[draw]) % 2, (where % 2 + right[draw]) % 2
            expected[0, 0, where // 2, where % 2] = image[0, 0, y, x]
        torch.manual_seed(seed)
        seen, _ = blind_spots(image, ratio=0, window=2)
        assert torch.equal(seen, expected)
    assert repeated


def test_images_without_blind_spots_count_everywhere() -> None:
    image = torch.rand(64, 1, 16, 16)
    seen, blind = blind_spots(image, share=0.5)
    whole = blind.all((1, 2, 3))
    assert 0 < whole.sum() < 64
    assert torch.equal(seen[whole], image[whole])
    for settings in ({"share": 0.0}, {"ratio": 1.0}):
        seen, blind = blind_spots(image, **settings)
        assert torch.equal(seen, image)
        assert blind.all()


@pytest.mark.parametrize("wrong", [{"ratio": 1.1}, {"window": 0}, {"share": -1.0}])
def test_what_is_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        blind_spots(torch.zeros(1, 1, 8, 8), **wrong)  # type: ignore[arg-type]
