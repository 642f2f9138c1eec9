import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics import MetricCollection

from histoseg.metrics import InstanceScores
from histoseg.metrics.functional import image_scores


def batch(seed: int, images: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Blocky nuclei and a prediction with errors; the first image is empty in both."""
    rng = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 9, (images, 6, 6), generator=rng)
    true = blocks.repeat_interleave(4, 1).repeat_interleave(4, 2)
    pred = torch.where(torch.rand(true.shape, generator=rng) < 0.85, true, 0)
    true[0], pred[0], pred[1] = 0, 0, 0
    return true, pred


def merged(metrics: list[InstanceScores]) -> InstanceScores:
    """What ranks do: add up the states of each."""
    total = InstanceScores()
    for name in ("total", "count"):
        setattr(total, name, sum(getattr(metric, name) for metric in metrics))
    total._update_count = 1
    return total


def test_mean_over_images_without_the_empty_one() -> None:
    true, pred = batch(0)
    metric = InstanceScores()
    metric.update(true, pred)
    rows = [image_scores(t, p) for t, p in zip(true.numpy(), pred.numpy(), strict=True)]
    for name, value in metric.compute().items():
        assert value.item() == pytest.approx(np.nanmean([row[name] for row in rows]), abs=1e-6)
    assert np.isnan(rows[0]["pq"])
    assert rows[1]["pq"] == 0


def test_two_ranks_equal_one_pass_exactly() -> None:
    true, pred = batch(1, images=11)
    whole, ranks = InstanceScores(), [InstanceScores(), InstanceScores()]
    whole.update(true, pred)
    for image in range(len(true)):
        ranks[image % 2].update(true[image][None], pred[image][None])
    expected = whole.compute()
    assert all(torch.equal(value, expected[key]) for key, value in merged(ranks).compute().items())


def test_states_do_not_grow_and_reset() -> None:
    metric = InstanceScores()
    metric.update(*batch(2))
    assert {state.numel() for state in metric.metric_state.values()} == {6}
    metric.reset()
    assert not metric.total.any()


def test_forward_gives_the_batch_and_keeps_the_sum() -> None:
    metric, first, second = InstanceScores(), batch(3), batch(4)
    metric(*first)
    alone = InstanceScores()
    alone.update(*second)
    assert torch.equal(metric(*second)["aji"], alone.compute()["aji"])
    together = InstanceScores()
    together.update(torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]]))
    assert torch.equal(metric.compute()["aji"], together.compute()["aji"])


def test_a_collection_passes_what_is_named() -> None:
    true, pred = batch(5)
    metrics = MetricCollection({"instances": InstanceScores()}, prefix="val/")
    metrics.update(instances=true, pred_instances=pred, image=torch.zeros(1))
    assert set(metrics.compute()) == {
        f"val/{n}" for n in ("dice", "aji", "aji_plus", "dq", "sq", "pq")
    }


def test_nothing_seen_is_nan() -> None:
    metric = InstanceScores()
    empty = torch.zeros(2, 4, 4, dtype=torch.int64)
    metric.update(empty, empty)
    assert all(torch.isnan(value) for value in metric.compute().values())


def test_a_threshold_reaches_pq_only() -> None:
    true = torch.tensor([[[1, 1, 1, 1]]])
    pred = torch.tensor([[[1, 1, 1, 0]]])
    strict, usual = InstanceScores(threshold=0.8), InstanceScores()
    for metric in (strict, usual):
        metric.update(true, pred)
    assert strict.compute()["pq"] == 0
    assert usual.compute()["pq"] > 0.7
    assert strict.compute()["aji"] == usual.compute()["aji"]


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        (torch.zeros(4, 4, dtype=torch.int64), torch.zeros(4, 4, dtype=torch.int64), "B, H, W"),
        (torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), "integers"),
        (
            torch.zeros(1, 4, 4, dtype=torch.int64),
            torch.zeros(1, 4, 5, dtype=torch.int64),
            "same region",
        ),
    ],
)
def test_what_is_no_batch_of_maps_is_refused(
    true: torch.Tensor, pred: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        InstanceScores().update(true, pred)


def test_official_printout_over_six_tiles(shared_data: Path) -> None:
    folder = shared_data / "golden_hovernet_public"
    golden = json.loads((folder / "golden.json").read_text())
    metric = InstanceScores()
    for name in (key for key in golden if not key.startswith("__")):
        stored = np.load(folder / f"{name}.npz")
        metric.update(*(torch.from_numpy(stored[key])[None] for key in ("true", "pred")))
    printed = golden["__inst_stat_all_images"]["printed"][0].strip("[] ").split()
    scores = metric.compute()
    order = ("dice", "aji", "dq", "sq", "pq", "aji_plus")
    assert [round(scores[name].item(), 5) for name in order] == [float(p) for p in printed]


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    true, pred = batch(6)
    on_host, on_gpu = InstanceScores(), InstanceScores().cuda()
    on_host.update(true, pred)
    on_gpu.update(true.cuda(), pred.cuda())
    for name, value in on_gpu.compute().items():
        assert value.is_cuda
        assert torch.equal(value.cpu(), on_host.compute()[name])
