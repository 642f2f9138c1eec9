import pytest
import torch
from torch import Tensor

from histoseg.metrics import PixelScores


def scored(pixels: list[list[int]], pred: list[list[int]], **settings: object) -> dict[str, float]:
    scores = PixelScores(**settings)  # type: ignore[arg-type]
    scores.update(torch.tensor([pixels]), torch.tensor([pred]))
    return {name: float(value) for name, value in scores.compute().items()}


def test_by_hand() -> None:
    got = scored([[0, 0, 0, 1, 1]], [[0, 1, 0, 1, 0]])
    wanted = {"acc": 3 / 5, "acc_background": 2 / 3, "acc_cell": 1 / 2, "iou": 1 / 3}
    wanted |= {"pixel_dice": 1 / 2, "pixel_precision": 1 / 2, "pixel_recall": 1 / 2}
    assert {k: got[k] for k in wanted} == pytest.approx(wanted)


def test_images_without_cells_spoil_nothing() -> None:
    scores = PixelScores()
    empty = torch.zeros(1, 8, 8, dtype=torch.int64)
    cell = empty.clone()
    cell[0, 2:5, 2:5] = 1
    scores.update(cell, cell)
    before = scores.compute()
    scores.update(empty, empty)
    after = scores.compute()
    assert all(torch.isfinite(v) for v in after.values())
    assert after["iou"] == before["iou"] == after["boundary_f1"] == 1


def test_without_any_cell_there_is_no_number_for_cells() -> None:
    got = scored([[0, 0]], [[0, 0]])
    assert got["acc"] == got["acc_background"] == 1
    assert all(torch.tensor(got[k]).isnan() for k in ("acc_cell", "iou", "boundary_f1"))


def test_ranks_and_batches_change_nothing() -> None:
    true, pred = torch.randint(0, 3, (5, 16, 16)), torch.randint(0, 3, (5, 16, 16))
    whole = PixelScores(["a", "b"])
    whole.update(true, pred)
    parts = [PixelScores(["a", "b"]), PixelScores(["a", "b"])]
    for i in range(5):
        parts[i % 2].update(true[i : i + 1], pred[i : i + 1])
    parts[0].merge_state(parts[1])  # what ranks do: states are summed
    assert {k: float(v) for k, v in parts[0].compute().items()} == {
        k: float(v) for k, v in whole.compute().items()
    }
    assert "iou_a" in whole.compute()


def test_pixels_that_are_ignored_do_not_count() -> None:
    got = scored([[0, -1, 1]], [[0, 0, 1]])
    assert got["acc"] == got["acc_cell"] == 1


def square(at: int, side: int = 6, size: int = 20) -> Tensor:
    pixels = torch.zeros(1, size, size, dtype=torch.int64)
    pixels[0, at : at + side, at : at + side] = 1
    return pixels


@pytest.mark.parametrize(("shift", "tolerance", "f1"), [(0, 0, 1), (1, 1, 1), (2, 2, 1), (9, 2, 0)])
def test_boundaries_within_the_tolerance_are_found(shift: int, tolerance: int, f1: float) -> None:
    scores = PixelScores(tolerance=tolerance)
    scores.update(square(4), square(4 + shift))
    assert scores.compute()["boundary_f1"] == f1


def test_the_edge_of_the_image_is_no_boundary() -> None:
    full = torch.ones(1, 6, 6, dtype=torch.int64)
    scores = PixelScores()
    scores.update(full, full)
    assert scores.boundary.tolist() == [[0, 0, 0, 0]]
    half = torch.zeros(1, 6, 6, dtype=torch.int64)
    half[..., :3] = 1
    scores.update(half, half)
    assert scores.boundary.tolist() == [[6, 6, 6, 6]]


def test_other_classes_and_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="class above 1"):
        scored([[0, 2]], [[0, 1]])
    with pytest.raises(ValueError, match="class above 1"):
        scored([[0, 1]], [[0, 2]])
    with pytest.raises(ValueError, match="same region"):
        PixelScores().update(torch.zeros(1, 2, 2).long(), torch.zeros(1, 2, 3).long())
    with pytest.raises(ValueError, match="tolerance"):
        PixelScores(tolerance=-1)
