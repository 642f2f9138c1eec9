import itertools
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from histoseg.contracts import Array, Place, Record
from histoseg.data.synthetic import SyntheticTissue, synthetic_tissue
from histoseg.data.tissue.labels import SMALLEST, one_piece_each, renumbered
from histoseg.data.tissue.traits import CLASSES
from histoseg.ops.stain import hed_from_rgb


@pytest.fixture(scope="module")
def records() -> list[Record]:
    data = SyntheticTissue(length=48, tile=192)
    return [data[i] for i in range(len(data))]


def pieces(labels: Array, label: int) -> int:
    return ndimage.label(labels == label)[1]


def shape_of_each(record: Record) -> Array:
    """Area, aspect ratio and class of each instance that the border does not cut."""
    labels, rows = record["instances"], []
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if label not in edge:
            y, x = np.nonzero(labels[box] == label)
            low, high = np.linalg.eigvalsh(np.cov(x, y))
            semantic = record["semantic"][box][y[0], x[0]]
            rows.append((len(x), np.sqrt(high / max(low, 0.1)), semantic))
    return np.array(rows).reshape(-1, 3)


def test_keys_types_and_ranges(records: list[Record]) -> None:
    for i, record in enumerate(records):
        assert frozenset(record) == SyntheticTissue.provides
        assert record["image"].shape == (192, 192, 3)
        assert record["image"].dtype == np.uint8
        assert record["instances"].dtype == np.int32
        assert record["semantic"].dtype == np.uint8
        assert record["semantic"].max() <= len(CLASSES)
        assert record["tissue"].startswith(("H&E ", "IHC ")[i % 2])
        assert record["place"] == Place(f"synthetic-0-0-{i}", 0, 0, 0.25)
        for array in (record["image"], record["instances"], record["semantic"]):
            assert array.flags.c_contiguous


def test_each_instance_is_one_visible_piece_of_one_class(records: list[Record]) -> None:
    for record in records:
        labels, semantic = record["instances"], record["semantic"]
        np.testing.assert_array_equal(np.unique(labels[labels > 0]), np.arange(labels.max()) + 1)
        np.testing.assert_array_equal(labels == 0, semantic == 0)
        for label in range(1, labels.max() + 1):
            inside = labels == label
            assert inside.sum() >= SMALLEST
            assert ndimage.label(inside)[1] == 1
            assert len(np.unique(semantic[inside])) == 1


def test_the_hard_cases_occur(records: list[Record]) -> None:
    touching = border = empty = 0
    for record in records:
        labels = record["instances"]
        a, b = labels[:, 1:], labels[:, :-1]
        touching += len(np.unique(np.stack([a, b])[:, (a != b) & (a > 0) & (b > 0)], axis=1).T)
        border += len(np.unique(labels[0])) - 1
        empty += labels.max() == 0
    nuclei = sum(int(r["instances"].max()) for r in records)
    assert touching > 0.1 * nuclei
    assert border > len(records)
    assert 1 <= empty <= 0.15 * len(records)
    counts = np.bincount(np.concatenate([shape_of_each(r)[:, 2] for r in records]).astype(int))
    assert counts[1:].min() > 0.05 * nuclei


def test_an_image_depends_on_seed_split_and_index_alone() -> None:
    first, again = SyntheticTissue(8, tile=64, seed=5), SyntheticTissue(99, tile=64, seed=5)
    forth = [first[i] for i in range(8)]
    back = [again[i] for i in reversed(range(8))][::-1]
    for a, b in zip(forth, back, strict=True):
        for key in ("image", "instances", "semantic"):
            np.testing.assert_array_equal(a[key], b[key])
    np.testing.assert_array_equal(first[-1]["image"], forth[7]["image"])
    others = [
        forth[1],
        SyntheticTissue(8, tile=64, seed=6)[0],
        SyntheticTissue(8, split="val", tile=64, seed=5)[0],
        SyntheticTissue(8, split="test", tile=64, seed=5)[0],
    ]
    for a, b in itertools.combinations([forth[0], *others], 2):
        assert not np.array_equal(a["image"], b["image"])


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (33, 47), (300, 129)])
@pytest.mark.parametrize("stain", ["he", "ihc"])
def test_any_size(size: tuple[int, int], stain: str) -> None:
    record = synthetic_tissue(*size, seed=1, stain=stain)
    assert record["image"].shape == (*size, 3)
    assert record["instances"].shape == record["semantic"].shape == size
    data = SyntheticTissue(1, tile=size, stains=[stain])
    assert data[0]["image"].shape == (*size, 3)


@pytest.mark.parametrize("tissue", ["gland", "tumour", "stroma", "lymphoid", "empty"])
def test_the_tissue_asked_for_prevails(tissue: str) -> None:
    shown = np.zeros(5)
    for seed in range(8):
        record = synthetic_tissue(192, 192, seed, tissue=tissue)
        assert record["tissue"] == f"H&E {tissue}"
        shown += np.bincount(record["semantic"].ravel(), minlength=5)
    most = {"gland": 4, "tumour": 1, "stroma": 3, "lymphoid": 2}
    if tissue == "empty":
        assert shown[1:].sum() < 0.04 * shown.sum()
    else:
        assert shown[1:].argmax() + 1 == most[tissue]


def test_a_large_image_does_not_repeat_itself() -> None:
    image = synthetic_tissue(512, 1024, seed=2, tissue="tumour")["image"].astype(np.float32)
    grey = image.mean(axis=2) - image.mean()
    spectrum = np.abs(np.fft.rfft2(grey)) ** 2
    correlation = np.fft.irfft2(spectrum)
    correlation /= correlation[0, 0]
    correlation[:64, :64] = correlation[-64:, :64] = 0
    correlation[:64, -64:] = correlation[-64:, -64:] = 0
    assert correlation.max() < 0.5


def test_density_multiplies_nuclei() -> None:
    few, many = (
        sum(
            synthetic_tissue(160, 160, s, tissue="tumour", density=d)["instances"].max()
            for s in range(6)
        )
        for d in (0.3, 1.0)
    )
    assert 1.8 * few < many


def test_classes_differ_in_size_and_shape() -> None:
    """Within an image: between images all nuclei are larger or smaller together."""
    area, aspect = [], []
    for seed, tissue in itertools.product(range(3), ["gland", "tumour"]):
        table = shape_of_each(synthetic_tissue(512, 512, seed, tissue=tissue))
        groups = [table[table[:, 2] == k] for k in range(1, 5)]
        medians = [np.median(g, axis=0) if len(g) > 9 else np.full(3, np.nan) for g in groups]
        area.append([m[0] / medians[1][0] for m in medians])
        aspect.append([m[1] for m in medians])
    neoplastic, inflammatory, connective, epithelial = range(4)
    size, length = np.nanmean(area, axis=0), np.nanmean(aspect, axis=0)
    assert size[neoplastic] > 1.8 > size[epithelial] > 1.25
    assert length[inflammatory] < 1.3 < length[epithelial] < 2.0 < length[connective]


def test_nuclei_cannot_be_had_by_a_threshold(records: list[Record]) -> None:
    """Measured 0.79 on 96 tiles of 256; 0.83 and 0.81 on two sets of real photographs."""
    amount = np.concatenate([hed_from_rgb(r["image"])[..., 0].ravel() for r in records])
    truth = np.concatenate([r["instances"].ravel() > 0 for r in records])
    levels = np.linspace(0, 2, 41)
    dice = [2 * ((amount > t) & truth).sum() / ((amount > t).sum() + truth.sum()) for t in levels]
    assert 0.7 < max(dice) < 0.88


def test_classes_cannot_be_had_by_mean_colour(records: list[Record]) -> None:
    """Measured 0.34 over classes and 0.41 over nuclei, on 96 tiles of 256; chance is 0.25."""
    colours, classes = [], []
    for record in records:
        ids = np.arange(1, record["instances"].max() + 1)
        planes = np.moveaxis(record["image"], 2, 0)
        colours.append(np.stack([ndimage.mean(p, record["instances"], ids) for p in planes], 1))
        classes.append(ndimage.maximum(record["semantic"], record["instances"], ids))
    colour, truth = np.concatenate(colours), np.concatenate(classes)
    centres = np.stack([colour[truth == k].mean(axis=0) for k in range(1, 5)])
    guess = ((colour[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1) + 1
    assert (guess == truth).mean() < 0.6
    assert np.mean([(guess[truth == k] == k).mean() for k in range(1, 5)]) < 0.5


@pytest.mark.parametrize("seed", range(5))
def test_one_piece_each_equals_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 6, (12, 15)), np.ones((2, 3), int)).astype(np.int32)
    expected = np.zeros_like(labels)
    for label in range(1, 6):
        found, _ = ndimage.label(labels == label)
        area = np.bincount(found.ravel())
        area[0] = 0
        if area.max() >= SMALLEST:
            expected[found == area.argmax()] = label
    got = one_piece_each(labels)
    for label in range(1, 6):  # two pieces of the same size are both right
        assert (got == label).sum() == (expected == label).sum()
        assert pieces(got, label) <= 1
        assert np.all(labels[got == label] == label)


def test_renumbered_closes_gaps() -> None:
    labels, old = renumbered(np.array([[0, 7, 7], [3, 0, 9]], np.int32))
    np.testing.assert_array_equal(labels, [[0, 2, 2], [1, 0, 3]])
    np.testing.assert_array_equal(old, [3, 7, 9])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["epithelial", "connective"]}, "has the classes .*'neoplastic'.* not .*'epi"),
        ({"split": "dev"}, "unknown split 'dev'; choose from .*'val'"),
        ({"stains": ["pas"]}, "unknown stain 'pas'"),
        ({"stains": []}, "no stains given"),
        ({"tile": 8}, "at least 16 x 16 pixels, got 8 x 8"),
        ({"density": 0.0}, "density above 0"),
        ({"mpp": 40.0}, "mpp between"),
        ({"seed": -1}, "must not be negative"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticTissue(**{"length": 1, **settings})


def test_an_index_beyond_the_end_is_refused() -> None:
    with pytest.raises(IndexError, match="index 3 is outside a data set of 3 images"):
        SyntheticTissue(3, tile=32)[3]
    with pytest.raises(ValueError, match="unknown tissue 'bone'"):
        synthetic_tissue(32, 32, tissue="bone")
