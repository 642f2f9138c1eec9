import math

import pytest
import torch

from histoseg.metrics import CountErrors


def maps(*kinds: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An image (1, 1, W) of cells of one pixel, with a gap between them."""
    ids = torch.tensor(
        [[[x for i in range(len(kinds)) for x in (i + 1, 0)] + [0] * (20 - 2 * len(kinds))]]
    )
    classes = torch.tensor(
        [[[x for kind in kinds for x in (kind, 0)] + [0] * (20 - 2 * len(kinds))]]
    )
    return ids, classes


def test_roots_of_mean_squares_over_images() -> None:
    errors = CountErrors(["positive", "negative"])
    true, true_class = maps(1, 1, 2, 2)
    found, found_class = maps(1, 2)
    errors.update(true, found, true_class, found_class)
    true, true_class = maps(2, 2, 2)
    found, found_class = maps()
    errors.update(true, found, true_class, found_class)
    values = {name: value.item() for name, value in errors.compute().items()}
    assert values == pytest.approx(
        {
            "rmse_total": math.sqrt((2**2 + 3**2) / 2),
            "rmse_positive": math.sqrt((1 + 0) / 2),
            "rmse_negative": math.sqrt((1 + 3**2) / 2),
            "rmse_percent_positive": 0.0,
        }
    )


def test_a_batch_is_its_images() -> None:
    one, other = CountErrors(["a"]), CountErrors(["a"])
    pairs = [(maps(1, 1), maps(1)), (maps(1), maps(1, 1, 1))]
    for (true, kinds), (found, found_kinds) in pairs:
        one.update(true, found, kinds, found_kinds)
    columns = [torch.cat(c) for c in zip(*[(t, f, k, g) for (t, k), (f, g) in pairs], strict=True)]
    other.update(*columns)
    assert one.compute() == other.compute()


def test_large_counts_do_not_overflow() -> None:
    errors = CountErrors([])
    true, kinds = maps(1)
    for _ in range(10):
        errors.update(true, true, kinds, kinds)
    errors.squares += 4 * 10**15
    assert errors.compute()["rmse_total"].item() == pytest.approx(2e7)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_nothing_seen_says_nothing() -> None:
    assert all(math.isnan(v.item()) for v in CountErrors(["a"]).compute().values())
