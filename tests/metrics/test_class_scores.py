import numpy as np
import pytest
import torch

from histoseg.metrics import ClassScores
from histoseg.metrics.functional import detection_scores, image_scores, overlap, panoptic_quality
from histoseg.metrics.functional.image import count_classes

CLASSES = ("tumour", "stroma", "immune")


def batch(seed: int, images: int = 5) -> dict[str, torch.Tensor]:
    """Blocky nuclei with classes, and a prediction with errors; the first image is empty."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randperm(36, generator=rng).view(1, 6, 6).expand(images, 6, 6)
    ids = ids * (torch.rand(images, 6, 6, generator=rng) < 0.5)
    true = ids.repeat_interleave(5, 1).repeat_interleave(5, 2).contiguous()
    pred = torch.roll(torch.where(torch.rand(true.shape, generator=rng) < 0.9, true, 0), 1, 2)
    true[0] = 0
    semantic = torch.where(true > 0, true % 3 + 1, 0)
    kinds = torch.tensor([0, *(k % 3 + 1 if k % 5 else 2 for k in range(1, 36))])
    return {
        "instances": true,
        "semantic": semantic,
        "pred_instances": pred,
        "pred_semantic": kinds[pred],
    }


def scores(metric: ClassScores, maps: dict[str, torch.Tensor]) -> dict[str, float]:
    metric.update(**maps)
    return {name: value.item() for name, value in metric.compute().items()}


def rows(maps: dict[str, torch.Tensor]) -> list[dict[str, float]]:
    arrays = {name: tensor.numpy() for name, tensor in maps.items()}
    images = range(len(arrays["instances"]))
    return [
        image_scores(**{name: a[i] for name, a in arrays.items()}, classes=CLASSES) for i in images
    ]


def test_pannuke_scores_are_means_of_the_rows() -> None:
    maps = batch(0)
    found = scores(ClassScores(CLASSES), maps)
    images = rows(maps)
    assert np.isnan(images[0]["bpq"])
    for name in ("bpq", "mpq", *(f"pq_{kind}" for kind in CLASSES)):
        expected = np.nanmean([row[name] for row in images])
        assert found[name] == pytest.approx(expected, abs=1e-6)


def test_detection_is_counted_over_all_images() -> None:
    maps = batch(1)
    found = scores(ClassScores(CLASSES, radius_um=1.5, mpp=0.5), maps)
    total = 0
    for i in range(len(maps["instances"])):
        true, kind, pred, pred_kind = (tensor[i].numpy() for tensor in maps.values())
        total = total + count_classes(overlap(true, pred), kind, pred_kind, 3, 3.0).detection
    for name, value in detection_scores(total, CLASSES).items():
        assert found[name] == pytest.approx(value, abs=1e-6)


def test_mpq_plus_pools_the_images() -> None:
    """Side by side on one canvas the images are one image, so PQ by class is the pooled one."""
    maps = batch(2)
    found = scores(ClassScores(CLASSES), maps)
    apart = torch.arange(len(maps["instances"])).view(-1, 1, 1) * 100
    canvas = {
        name: torch.cat(list(torch.where(t > 0, t + apart, 0) if "inst" in name else t), 1).numpy()
        for name, t in maps.items()
    }
    by_class = []
    for k in (1, 2, 3):
        true = np.where(canvas["semantic"] == k, canvas["instances"], 0)
        pred = np.where(canvas["pred_semantic"] == k, canvas["pred_instances"], 0)
        by_class.append(panoptic_quality(overlap(true, pred)).pq)
    assert found["mpq_plus"] == pytest.approx(np.mean(by_class), abs=1e-6)


def test_two_ranks_equal_one_pass_exactly() -> None:
    maps = batch(3, images=9)
    whole = scores(ClassScores(CLASSES), maps)
    ranks = [ClassScores(CLASSES), ClassScores(CLASSES)]
    for i in range(9):
        ranks[i % 2].update(**{name: tensor[i][None] for name, tensor in maps.items()})
    total = ClassScores(CLASSES)
    for name in total.metric_state:
        setattr(total, name, sum(getattr(rank, name) for rank in ranks))
    total._update_count = 1
    assert {name: value.item() for name, value in total.compute().items()} == whole


def test_a_perfect_prediction_scores_1() -> None:
    maps = batch(4)
    maps |= {"pred_instances": maps["instances"], "pred_semantic": maps["semantic"]}
    found = scores(ClassScores(CLASSES), maps)
    assert found == pytest.approx(dict.fromkeys(found, 1.0), abs=1e-5)
    assert set(found) == {
        "bpq", "mpq", "mpq_plus", "f1_detection", "type_accuracy",
        *(f"{score}_{kind}" for score in ("pq", "f1") for kind in CLASSES),
    }  # fmt: skip


def test_nothing_seen_is_nan() -> None:
    maps = {name: torch.zeros_like(tensor) for name, tensor in batch(5).items()}
    assert all(np.isnan(value) for value in scores(ClassScores(CLASSES), maps).values())


def test_without_classes_two_scores_remain() -> None:
    maps = {name: tensor for name, tensor in batch(6).items() if "semantic" not in name}
    found = scores(ClassScores([]), maps)
    with_classes = scores(ClassScores(CLASSES), batch(6))
    assert found == {name: with_classes[name] for name in ("bpq", "f1_detection")}


def test_classes_without_names_are_refused() -> None:
    with pytest.raises(ValueError, match="only 2 classes are named"):
        ClassScores(CLASSES[:2]).update(**batch(6))


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    maps = batch(7)
    on_host = scores(ClassScores(CLASSES), maps)
    on_gpu = scores(ClassScores(CLASSES).cuda(), {name: t.cuda() for name, t in maps.items()})
    assert on_gpu == on_host
