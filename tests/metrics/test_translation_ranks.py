"""Two real processes give what one gives, also where one of them has seen nothing of a stain."""

import multiprocessing
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torchmetrics import MetricCollection

from histoseg.metrics import ColourDrift, DistributionScores, StainScores

STAINS = ("he", "ihc")
Batch = tuple[dict[str, Tensor], dict[str, Tensor]]


def batches() -> list[Batch]:
    """Five batches of unequal size; the last stain is in the first of them alone."""
    rng = torch.Generator().manual_seed(0)
    made: list[Batch] = []
    for count in (3, 1, 2, 4, 1):
        stains = STAINS if not made else STAINS[:1]
        true, pred = (
            {name: torch.rand(count, 3, 16, 16, generator=rng) for name in stains} for _ in range(2)
        )
        made.append((true, pred))
    return made


class Means(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.float().mean(dim=(2, 3)) / 255


def scores(rank: int, ranks: int, cache: Path | None = None) -> dict[str, Tensor]:
    metrics = MetricCollection(
        {
            "stains": StainScores(STAINS),
            "drift": ColourDrift(STAINS),
            "sets": DistributionScores(STAINS, Means(), cache=cache, subsets=4, subset_size=6),
        },
        compute_groups=False,
    )
    for stains, pred_stains in batches()[rank::ranks]:
        metrics.update(stains=stains, pred_stains=pred_stains)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fid/")
        return metrics.compute()


def one_rank(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)  # the threads of the parent did not come along
    cv2.setNumThreads(0)
    store = f"file://{folder / 'store'}"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    torch.save(scores(rank, 2, folder), folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("rank", [0, 1])
def test_two_ranks_give_what_one_gives(rank: int, of_both: Path) -> None:
    expected = scores(0, 1)
    found = torch.load(of_both / f"{rank}.pt", weights_only=True)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value) or (value.isnan() and found[name].isnan()), name


def test_one_rank_keeps_the_features_of_both(of_both: Path) -> None:
    (kept,) = of_both.glob("features-*.npz")
    with np.load(kept, allow_pickle=False) as arrays:
        assert len(arrays["features"]) == 11 + 3, "of one stain and of the other"


@pytest.fixture(scope="module")
def of_both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    context = multiprocessing.get_context("fork")
    ranks = [context.Process(target=one_rank, args=(rank, folder)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(timeout=60)
        if process.is_alive():
            process.kill()
    assert [process.exitcode for process in ranks] == [0, 0]
    return folder
