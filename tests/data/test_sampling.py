"""How often an image is drawn: counts, weights, and the draws that follow them."""

from pathlib import Path

import numpy as np
import pytest
import torch.distributed as dist
from hydra.utils import instantiate

from conftest import Compose
from fakes import pannuke
from histoseg.contracts import Place, Record
from histoseg.data import PanNuke, Sampling, TileDataModule
from histoseg.data.counts import Counts, class_counts, count, tissues
from histoseg.data.draws import Draws
from histoseg.errors import ContractError

CLASSES = ("common", "rare", "nowhere")


class Squares:
    """Ten images: one has a nucleus of the rare class, one has none, one is of another tissue."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Record:
        self.read.append(index)
        labels = np.zeros((16, 16), np.int32)
        semantic = np.zeros((16, 16), np.uint8)
        for i in range(0 if index == 9 else 3):
            labels[1 + 5 * i : 4 + 5 * i, 2:6] = 4 + i
            semantic[1 + 5 * i : 4 + 5 * i, 2:6] = 1
        if index == 0:
            semantic[1:4, 2:6] = 2
            semantic[1, 2] = 1  # one pixel is outvoted
        return Record(
            image=np.full((16, 16, 3), index, np.uint8),
            instances=labels,
            semantic=semantic,
            tissue="skin" if index == 1 else "colon",
            place=Place(f"square-{index}", 0, 0, 0.25),
        )


class Knowing(Squares):
    """The same, with what was counted before."""

    def tissues(self) -> list[str]:
        return ["skin" if i == 1 else "colon" for i in range(10)]

    def class_counts(self) -> np.ndarray:
        return np.array([[2, 1, 0], *[[3, 0, 0]] * 8, [0, 0, 0]])


def test_nuclei_are_counted_once_and_kept(tmp_path: Path) -> None:
    records, cache = Squares(), tmp_path / "run" / "counts.csv"
    found = count(records, CLASSES, cache)
    np.testing.assert_array_equal(found.nuclei, Knowing().class_counts())
    assert found.tissues == tuple(Knowing().tissues())
    assert records.read == list(range(10))
    again = count(records, CLASSES, cache)
    np.testing.assert_array_equal(again.nuclei, found.nuclei)
    assert again.tissues == found.tissues
    assert len(records.read) == 10, "the second time nothing is read"
    assert cache.read_text().splitlines()[:2] == [
        "item,tissue,common,rare,nowhere",
        "square-0,colon,2,1,0",
    ]
    assert [p.name for p in cache.parent.iterdir()] == ["counts.csv"]


def test_counts_of_other_data_are_not_taken(tmp_path: Path) -> None:
    records, cache = Squares(), tmp_path / "counts.csv"
    count(records, CLASSES, cache)
    assert count(records, CLASSES[:2], cache).nuclei.shape == (10, 2)
    assert len(records.read) == 20
    cache.write_text("")
    assert isinstance(count(records, CLASSES, cache), Counts)


def test_what_a_data_set_knows_is_not_counted() -> None:
    records = Knowing()
    assert class_counts(records, CLASSES, None)[0].tolist() == [2, 1, 0]
    assert tissues(records, CLASSES, None)[1] == "skin"
    assert records.read == []


def test_pannuke_knows_its_tissues_without_its_masks(tmp_path: Path) -> None:
    pannuke.write(tmp_path, size=32)
    data = PanNuke(tmp_path, folds=[2, 1])
    assert list(data.tissues()) == [record["tissue"] for record in data]


def test_one_rank_counts_and_the_others_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, waited = tmp_path / "counts.csv", []
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "barrier", lambda: waited.append(cache.is_file()))
    first = Squares()
    count(first, CLASSES, cache)
    assert waited == [True], "the others go on when the file is there"
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    second = Squares()
    count(second, CLASSES, cache)
    assert (len(first.read), len(second.read), len(waited)) == (10, 0, 2)


def test_weights_by_classes_are_cellvits() -> None:
    g, total = 0.85, 9 + 1
    common, rare = (total / (g * n + (1 - g) * total) for n in (9, 1))
    weights = Sampling(["classes"], gamma=g).weights(Knowing(), CLASSES)
    assert weights is not None
    assert weights.mean() == pytest.approx(1)
    plain = (1 - g) + g * common
    want = np.array([(1 - g) + g * (common + rare), *[plain] * 9])  # the empty one as the lightest
    np.testing.assert_allclose(weights, want / want.mean())


def test_weights_by_tissues_are_cellvits() -> None:
    weights = Sampling(["tissues"], gamma=1).weights(Knowing(), CLASSES)
    assert weights is not None
    assert weights[1] / weights[0] == pytest.approx(9)
    assert weights.sum() == pytest.approx(10)
    half = Sampling(["tissues"], gamma=0.5).weights(Knowing(), CLASSES)
    assert half is not None
    assert half[1] / half[0] == pytest.approx((0.5 * 9 + 5) / (0.5 * 1 + 5))


def test_weights_by_both_are_the_sum_of_both() -> None:
    a, b, both = (
        Sampling(by).weights(Knowing(), CLASSES)
        for by in (["classes"], ["tissues"], ["classes", "tissues"])
    )
    want = a / a.max() + b / b.max()
    np.testing.assert_allclose(both, want / want.mean())
    assert both[[0, 1]].min() > both[2:].max()


@pytest.mark.parametrize("by", [["classes"], ["tissues"]])
def test_gamma_zero_draws_all_alike(by: list[str]) -> None:
    np.testing.assert_allclose(Sampling(by, gamma=0).weights(Knowing(), CLASSES), 1)


def test_without_a_criterion_each_image_is_drawn_once_and_nothing_read() -> None:
    records = Squares()
    assert Sampling().weights(records, CLASSES) is None
    assert records.read == []


def test_draws_follow_the_weights_whatever_the_workers_and_ranks() -> None:
    weights = np.array([5.0, 1, 1, 1])
    draws = Draws(4, seed=1, shuffle=True, weights=weights)
    items: list[int] = []
    for epoch in range(1000):
        draws.set_epoch(epoch)
        items += [d.item for d in draws]
    shares = np.bincount(items) / len(items)
    np.testing.assert_allclose(shares, weights / 8, atol=0.02)

    again = Draws(4, seed=1, shuffle=True, weights=weights)
    again.set_epoch(7)
    draws.set_epoch(7)
    assert list(again) == list(draws), "from seed and epoch alone"
    whole = list(draws)
    shards = []
    for rank in (0, 1):
        part = Draws(4, seed=1, shuffle=True, weights=weights)
        part.rank, part.world = rank, 2
        part.set_epoch(7)
        shards.append(list(part))
    assert [len(s) for s in shards] == [2, 2]
    assert [d for pair in zip(*shards, strict=True) for d in pair] == whole
    with pytest.raises(ValueError, match="weights for 4 items"):
        Draws(4, seed=1, shuffle=True, weights=np.ones(3))


@pytest.mark.parametrize("choice", ["classes_and_tissues", "uniform"])
def test_a_training_epoch_draws_as_configured(composed: Compose, choice: str) -> None:
    cfg = composed(
        "train", "model=hovernet", "data=synthetic", "data.splits.train.length=12",
        "+data.tiles_per_image=2", "data.num_workers=0", "data.batch_size=4",
        f"data/sampling={choice}", tiny="hovernet",
    )  # fmt: skip
    data: TileDataModule = instantiate(cfg.data)
    loader = data.train_dataloader()
    draws: list[int] = []
    for epoch in range(100):
        loader.sampler.set_epoch(epoch)
        draws += [d.item % 12 for d in loader.sampler]
    assert len(draws) == 100 * 24
    shares = np.bincount(draws, minlength=12) / len(draws)
    weights = data.sampling.weights(data.records("train"), data.classes)
    assert (weights is None) == (choice == "uniform")
    if weights is None:
        np.testing.assert_array_equal(shares, 1 / 12)
    else:
        assert weights.max() > 1.5 * weights.min()
        np.testing.assert_allclose(shares, weights / 12, atol=0.02)
    assert Path(cfg.paths.run, "counts.csv").is_file() == (choice != "uniform")


def test_criteria_that_the_data_lack_are_refused() -> None:
    with pytest.raises(ContractError, match="needs data with classes"):
        Sampling(["classes"]).weights(Squares(), [])

    class Bare(Squares):
        def __getitem__(self, index: int) -> Record:
            return Record(image=super().__getitem__(index)["image"])

    with pytest.raises(ContractError, match="name the tissue"):
        Sampling(["tissues"]).weights(Bare(), CLASSES)
    with pytest.raises(ValueError, match="expected some of"):
        Sampling(["organs"])
    with pytest.raises(ValueError, match="gamma of 0 to 1"):
        Sampling(["classes"], gamma=2)


def test_data_without_any_nucleus_are_drawn_alike() -> None:
    class Empty(Knowing):
        def class_counts(self) -> np.ndarray:
            return np.zeros((10, 3), int)

    np.testing.assert_allclose(Sampling(["classes"]).weights(Empty(), CLASSES), 1)
