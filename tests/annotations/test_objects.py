import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.io import savemat

from histoseg.annotations import read_objects
from histoseg.contracts import Array, Prediction
from histoseg.errors import UnreadableFileError
from histoseg.writers import (
    write_coco,
    write_geojson,
    write_hovernet_json,
    write_hovernet_mat,
    write_imagej_roi,
    write_sedeen,
)
from writers.drawn import CLASSES, hard_labels, prediction_of

# 20 is a slanted line whose pixels meet at corners only: an outline along edges has one of them
IN_ONE_PIECE = np.where(hard_labels() == 20, 0, hard_labels())


def crowd(seed: int) -> Array:
    """Nuclei of any form that fill the image, without holes, each in one piece."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((90, 110)), (0, 0), 2)
    _, labels = cv2.connectedComponents((noise > 0.5).astype(np.uint8), connectivity=4)
    out = np.zeros_like(labels)
    for key in range(1, labels.max() + 1):
        mask = (labels == key).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        filled = cv2.drawContours(np.zeros_like(mask), contours, -1, 1, cv2.FILLED)
        if filled.sum() == mask.sum():
            out[mask > 0] = key
    return out


def same_objects(found: Array, labels: Array) -> None:
    """Equal up to the numbering."""
    pairs = np.unique(np.stack([found.ravel(), labels.ravel()], axis=1), axis=0)
    assert len(pairs) == len(np.unique(labels)) == len(np.unique(found))
    assert [0, 0] in pairs.tolist()


def gzipped(folder: Path, prediction: Prediction) -> Path:
    path = write_geojson(folder, prediction)
    packed = folder / "x.geojson.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def zipped(folder: Path, prediction: Prediction) -> Path:
    path = write_geojson(folder, prediction)
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "x.geojson")
        archive.writestr("__MACOSX/._x.geojson", b"notes")
    return folder / "x.zip"


WRITERS = [
    *(write_coco, write_geojson, write_hovernet_json, write_hovernet_mat),
    *(write_imagej_roi, write_sedeen, gzipped, zipped),
]
NAMES = {write_imagej_roi: ["group 1", "group 2"]}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("labels", [IN_ONE_PIECE, *map(crowd, range(3))], ids=range(4))
def test_what_we_write_we_read_pixel_for_pixel(
    write: Callable[[Path, Prediction], Path], labels: Array, tmp_path: Path
) -> None:
    prediction = prediction_of(labels)
    names = NAMES.get(write, CLASSES)
    objects = read_objects(write(tmp_path, prediction), labels.shape, names)
    same_objects(objects.instances, labels)
    np.testing.assert_array_equal(objects.semantic, prediction.instances.semantic_map())
    # COCO knows no object without class: those are of category "nucleus"
    assert {d.why for d in objects.dropped} <= {"unknown class 'nucleus': kept without class"}
    assert write is write_coco or not objects.dropped


@pytest.mark.parametrize("write", [write_coco, write_hovernet_json, write_hovernet_mat])
def test_masks_and_contours_through_pixel_centres_bring_slanted_lines_back(
    write: Callable[[Path, Prediction], Path], tmp_path: Path
) -> None:
    prediction = prediction_of(hard_labels(), typed=False)
    objects = read_objects(write(tmp_path, prediction), (40, 60))
    same_objects(objects.instances, hard_labels())
    assert objects.semantic is None


@pytest.mark.parametrize("write", WRITERS)
def test_no_objects_are_all_background(
    write: Callable[[Path, Prediction], Path], tmp_path: Path
) -> None:
    prediction = prediction_of(np.zeros((7, 9), dtype=np.int32))
    objects = read_objects(write(tmp_path, prediction), (7, 9), CLASSES)
    assert objects.instances.shape == (7, 9)
    assert not objects.instances.any()
    assert objects.semantic is not None
    assert not objects.semantic.any()


def test_label_images_and_patches(tmp_path: Path) -> None:
    ids = np.zeros((6, 8), dtype=np.int32)
    ids[1:3, 1:3], ids[4, 4:7] = 300, 2
    kinds = np.where(ids == 300, 1, np.where(ids == 2, 3, 0))
    rgb = np.full((6, 8, 3), 90)
    np.save(tmp_path / "ids.npy", ids)
    np.save(tmp_path / "conic.npy", np.dstack([ids, kinds]))
    np.save(tmp_path / "four.npy", np.dstack([rgb, ids]))
    np.save(tmp_path / "five.npy", np.dstack([rgb, ids, kinds]).astype(float))
    np.save(tmp_path / "six.npy", np.dstack([rgb, ids, kinds, kinds * 9]))
    tifffile.imwrite(tmp_path / "ids.tif", ids)
    Image.fromarray(ids.astype(np.uint16)).save(tmp_path / "ids.png")
    both = {"inst_map": ids, "inst_type": [[3], [1]], "intens_map": ids * 7}
    savemat(tmp_path / "types.mat", both)
    savemat(tmp_path / "map.mat", {"inst_map": ids.astype(float), "type_map": kinds})
    for path in tmp_path.iterdir():
        objects = read_objects(path, (6, 8))
        np.testing.assert_array_equal(objects.instances, ids, err_msg=path.name)
        if path.stem in ("ids", "four"):
            assert objects.semantic is None
        else:
            np.testing.assert_array_equal(objects.semantic, kinds, err_msg=path.name)
        with pytest.raises(UnreadableFileError, match=path.name):
            read_objects(path, (8, 6))


def test_an_object_of_unknown_class_stays_and_is_reported(tmp_path: Path) -> None:
    path = write_geojson(tmp_path, prediction_of(IN_ONE_PIECE))
    objects = read_objects(path, (40, 60), ["neoplastic"])
    same_objects(objects.instances, IN_ONE_PIECE)
    assert objects.semantic is not None
    assert objects.semantic.max() == 1
    assert {d.why for d in objects.dropped} == {
        "unknown class 'dead, or dying': kept without class"
    }


def test_without_a_size_the_map_holds_all_objects(tmp_path: Path) -> None:
    path = write_hovernet_json(tmp_path, prediction_of(hard_labels()))
    assert read_objects(path).instances.shape == (40, 60)
