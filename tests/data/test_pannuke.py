import pickle
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from fakes import pannuke as fake
from histoseg.data import PanNuke
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake.write(tmp_path_factory.mktemp("pannuke"))


def merged(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spec 15.1, pixel by pixel."""
    instances, semantic = np.zeros(masks.shape[:2], int), np.zeros(masks.shape[:2], int)
    offset = 0
    for channel in range(5):
        ids = sorted(set(masks[:, :, channel].ravel()) - {0})
        for number, value in enumerate(ids, start=1):
            instances[masks[:, :, channel] == value] = offset + number
            semantic[masks[:, :, channel] == value] = channel + 1
        offset += len(ids)
    return instances, semantic


def masks_of(root: Path, fold: int) -> np.ndarray:
    return np.load(root / f"Fold {fold}/masks/fold{fold}/masks.npy")


def replace(root: Path, name: str, array: np.ndarray) -> None:
    where = "masks" if name == "masks" else "images"
    np.save(root / f"Fold 1/{where}/fold1/{name}.npy", array)


def test_gives_what_it_provides(root: Path) -> None:
    record = PanNuke(root, folds=[1])[0]
    assert set(record) == PanNuke.provides
    assert record["image"].dtype == np.uint8
    assert record["image"].shape == (64, 64, 3)
    assert record["instances"].dtype == np.int32
    assert record["semantic"].dtype == np.uint8
    assert record["place"] == ("fold1_0000", 0, 0, 0.25)
    assert record["tissue"] == "Breast"


def test_folds_follow_each_other(root: Path) -> None:
    data = PanNuke(root, folds=[3, 1])
    assert len(data) == 8
    names = [record["place"].slide for record in data]
    assert names == [f"fold{k}_{i:04d}" for k in (3, 1) for i in range(4)]
    assert data[-1]["place"].slide == "fold1_0003"
    with pytest.raises(IndexError):
        data[8]


def test_conversion_equals_the_loop(root: Path) -> None:
    for record, masks in zip(PanNuke(root, folds=[2]), masks_of(root, 2), strict=True):
        instances, semantic = merged(masks)
        np.testing.assert_array_equal(record["instances"], instances)
        np.testing.assert_array_equal(record["semantic"], semantic)


def test_later_channels_overwrite_and_leave_a_gap(tmp_path: Path) -> None:
    fake.write(tmp_path, folds=(1,), images=1)
    masks = np.zeros((1, 64, 64, 6))
    masks[0, :4, :4, 0] = 9  # hidden altogether by channel 3
    masks[0, 10:20, 10:20, 0] = 5
    masks[0, :4, :4, 3] = 5
    masks[0, 15:25, 10:20, 4] = 2
    replace(tmp_path, "masks", masks)
    record = PanNuke(tmp_path, folds=[1])[0]
    np.testing.assert_array_equal(record["instances"], merged(masks[0])[0])
    assert set(np.unique(record["instances"])) == {0, 1, 3, 4}
    assert record["semantic"][17, 12] == 5
    assert record["semantic"][12, 12] == 1
    assert record["semantic"][0, 0] == 4


@pytest.mark.parametrize("layout", ["official", "flat"])
@pytest.mark.parametrize(("images", "masks"), [("uint8", "int32"), ("float32", "uint16")])
def test_any_type_and_layout(
    tmp_path: Path, root: Path, layout: str, images: str, masks: str
) -> None:
    fake.write(tmp_path, (1,), layout=layout, image_dtype=images, mask_dtype=masks)
    ours, expected = PanNuke(tmp_path, [1])[0], PanNuke(root, [1])[0]
    for key in ("image", "instances", "semantic"):
        np.testing.assert_array_equal(ours[key], expected[key])


def _second(data: PanNuke) -> int:
    return int(data[1]["instances"].max())


def test_pickled_without_its_arrays_and_read_in_another_process(root: Path) -> None:
    data = PanNuke(root, folds=[1, 2])
    expected = _second(data)
    assert len(pickle.dumps(data)) < 4000
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(_second, (data,)) == expected


def test_a_missing_fold_says_how_to_get_it(root: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetNotFoundError, match=r"fold_2\.zip from https://warwick.*CC BY-NC-SA"
    ):
        PanNuke(fake.write(tmp_path, folds=(1,)), folds=[1, 2])


@pytest.mark.parametrize("folds", [[], [0], [4], [1, 1]])
def test_refuses_impossible_folds(root: Path, folds: list[int]) -> None:
    with pytest.raises(ValueError, match=r"some of 1, 2, 3, each once"):
        PanNuke(root, folds=folds)


def test_refuses_another_class_list(root: Path) -> None:
    PanNuke(root, [1], classes=list(PanNuke.CLASSES))
    with pytest.raises(ContractError, match=r"'neoplastic'.*names \['dead', 'alive'\]"):
        PanNuke(root, [1], classes=["dead", "alive"])


def test_refuses_a_file_cut_short(tmp_path: Path) -> None:
    path = fake.write(tmp_path, (1,)) / "Fold 1/masks/fold1/masks.npy"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UnreadableFileError, match=r"masks\.npy \(5000 bytes\).*cut short"):
        PanNuke(tmp_path, [1])


def test_refuses_masks_of_another_size(tmp_path: Path) -> None:
    fake.write(tmp_path, (1,))
    replace(tmp_path, "masks", np.zeros((4, 32, 64, 6)))
    with pytest.raises(UnreadableFileError, match=r"'masks': \(4, 32, 64, 6\)"):
        PanNuke(tmp_path, [1])


@pytest.mark.parametrize("value", [-1, 1.5, np.nan])
def test_refuses_impossible_ids(tmp_path: Path, value: float) -> None:
    fake.write(tmp_path, (1,))
    masks = masks_of(tmp_path, 1)
    masks[1, 5, 5, 2] = value
    replace(tmp_path, "masks", masks)
    data = PanNuke(tmp_path, [1])
    data[0]
    with pytest.raises(UnreadableFileError, match="fold1_0001: mask channel 2"):
        data[1]


@pytest.mark.parametrize("factor", [1 / 255, 2, np.nan])
def test_refuses_an_image_of_another_range(tmp_path: Path, factor: float) -> None:
    fake.write(tmp_path, (1,))
    images = np.load(tmp_path / "Fold 1/images/fold1/images.npy")
    replace(tmp_path, "images", images * factor)
    with pytest.raises(UnreadableFileError, match=r"expected 0\.\.255"):
        PanNuke(tmp_path, [1])[0]
