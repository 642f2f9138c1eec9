import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.io import savemat

from fakes import pannuke
from histoseg.data import PanNuke
from histoseg.data.objects import (
    Labelled,
    ObjectArrays,
    ObjectFolder,
    is_array_file,
    mapped,
    pair,
    read_items,
    read_pair,
)
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError


def squares() -> np.ndarray:
    labels = np.zeros((20, 30), dtype=np.int32)
    labels[2:8, 2:8], labels[10:18, 12:20] = 1, 2
    return labels


def outline_json(path: Path) -> None:
    boxes = {1: (2, 2, 7, 7), 2: (12, 10, 19, 17)}
    nuclei = {
        str(k): {"contour": [[x, y], [z, y], [z, w], [x, w]], "type": k, "centroid": [0, 0]}
        for k, (x, y, z, w) in boxes.items()
    }
    path.write_text(json.dumps({"mag": 40, "nuc": nuclei}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in ("mat", "npy", "png", "tif", "json"):
        (tmp_path / kind).mkdir()
    labels = squares()
    types = np.array([[1], [2]])
    savemat(tmp_path / "mat" / "A.1 b.mat", {"inst_map": labels, "inst_type": types})
    np.save(tmp_path / "npy" / "A.1 b.npy", labels)
    Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "png" / "A.1 b.png")
    tifffile.imwrite(tmp_path / "tif" / "A.1 b.tif", labels)
    outline_json(tmp_path / "json" / "A.1 b.json")
    return tmp_path


@pytest.mark.parametrize("kind", ["mat", "npy", "png", "tif", "json"])
def test_every_format_gives_the_same_maps_and_dots_stay_in_names(folder: Path, kind: str) -> None:
    true, pred = ObjectFolder(folder / "mat"), ObjectFolder(folder / kind)
    pairing = pair(true, pred)
    assert pairing.names == ("A.1 b",)
    first, second = read_pair(true, pred, (0, 0), None)
    assert (first.instances == squares()).all()
    assert (second.instances > 0).tolist() == (squares() > 0).tolist()
    if kind in ("mat", "json"):
        assert second.semantic is not None
        assert (second.semantic == squares()).all(), "nucleus k is of class k"


def test_outlines_on_both_sides_get_a_map_that_holds_all(folder: Path) -> None:
    both = ObjectFolder(folder / "json")
    first, second = read_pair(both, both, (0, 0), None)
    assert first.instances.shape == second.instances.shape == (18, 20)
    sized, _ = read_pair(both, both, (0, 0), None, size=(20, 30))
    assert sized.instances.shape == (20, 30)
    drawn, whole = read_pair(both, ObjectFolder(folder / "mat"), (0, 0), None)
    assert drawn.instances.shape == whole.instances.shape == (20, 30)


def test_a_truth_without_prediction_gets_one_without_objects(folder: Path) -> None:
    true = ObjectFolder(folder / "mat")
    _, nothing = read_pair(true, true, (0, None), None)
    assert not nothing.instances.any()
    assert nothing.semantic is not None


def test_names_are_paired_and_both_sides_leftovers_known(tmp_path: Path) -> None:
    for side, names in (("true", "abc"), ("pred", "bcd")):
        (tmp_path / side).mkdir()
        for name in names:
            np.save(tmp_path / side / f"{name}.npy", squares())
    pairing = pair(ObjectFolder(tmp_path / "true"), ObjectFolder(tmp_path / "pred"))
    assert (pairing.pred, pairing.missing, pairing.extra) == ((None, 0, 1), ("a",), ("d",))
    one = ObjectFolder(tmp_path / "true" / "a.npy")
    assert pair(one, ObjectFolder(tmp_path / "pred" / "d.npy")).names == ("a",), "two files"
    (tmp_path / "other").mkdir()
    for name in "xy":
        np.save(tmp_path / "other" / f"{name}.npy", squares())
    with pytest.raises(ContractError, match=r"no prediction has the name.*x, y.*a, b, c"):
        pair(ObjectFolder(tmp_path / "true"), ObjectFolder(tmp_path / "other"))


def test_what_predict_and_prepare_wrote_is_found(folder: Path) -> None:
    (folder / "environment.json").write_text("{}")
    assert ObjectFolder(folder).names == ("A.1 b",), "mat/ comes first"
    (folder / "instances").mkdir()
    (folder / "semantic").mkdir()
    (folder / "ignore").mkdir()
    for name in ("p", "q"):
        tifffile.imwrite(folder / "instances" / f"{name}.tif", squares())
        Image.fromarray((squares() > 0).astype(np.uint8)).save(folder / "semantic" / f"{name}.png")
    Image.fromarray(np.full((20, 30), 255, np.uint8)).save(folder / "ignore" / "q.png")
    (folder / "dataset.json").write_text(json.dumps({"classes": ["one", "two"]}))
    (folder / "items.csv").write_text("id,tissue,group,mpp\np,skin,7,0.5\nq,,,\n")
    stored = ObjectFolder(folder)
    assert stored.classes == ("one", "two")
    p, q = (stored.read(i, None, None) for i in (0, 1))
    assert (p.tissue, p.group, p.mpp, p.ignore) == ("skin", "7", 0.5, None)
    assert q.ignore is not None
    assert q.ignore.all()
    assert p.semantic is not None
    assert set(np.unique(p.semantic)) == {0, 1}


def test_a_pannuke_fold_is_read_as_the_data_set_reads_it(tmp_path: Path) -> None:
    root = pannuke.write(tmp_path, folds=(1,))
    path = is_array_file(root / "Fold 1" / "masks" / "fold1")
    assert path is not None
    arrays, data = ObjectArrays(path), PanNuke(root, [1])
    assert arrays.classes == PanNuke.CLASSES
    assert len(arrays) == len(data)
    for i in range(len(data)):
        found, record = arrays.read(i, None, None), data[i]
        assert (found.instances == record["instances"]).all()
        assert found.semantic is not None
        assert (found.semantic == record["semantic"]).all()
        assert found.tissue == record["tissue"], "types.npy of the images' folder"
        assert found.planes is None
    other = pannuke.write(tmp_path / "other", folds=(1,), images=3, layout="flat")
    fewer = ObjectArrays(other / "fold1" / "masks.npy")
    with pytest.raises(ContractError, match=r"has 4 images.*paired by position"):
        pair(arrays, fewer)


def test_arrays_of_other_shapes(tmp_path: Path) -> None:
    both = np.stack([squares(), (squares() > 0) * 3], axis=-1)[None]
    np.save(tmp_path / "labels.npy", both)
    conic = ObjectArrays(tmp_path / "labels.npy").read(0, (20, 30), None)
    assert conic.semantic is not None
    assert set(np.unique(conic.semantic)) == {0, 3}
    np.save(tmp_path / "stack.npy", squares()[None])
    assert is_array_file(tmp_path / "stack.npy") is not None
    assert ObjectArrays(tmp_path / "stack.npy").read(0, None, None).semantic is None
    np.save(tmp_path / "patch.npy", np.zeros((20, 30, 5)))
    assert is_array_file(tmp_path / "patch.npy") is None, "one image"
    np.save(tmp_path / "odd.npy", np.zeros((1, 20, 30, 4)))
    with pytest.raises(UnreadableFileError, match=r"\(1, 20, 30, 4\); expected"):
        ObjectArrays(tmp_path / "odd.npy")
    overlapping = np.zeros((1, 20, 30, 5))
    overlapping[0, :9, :9, 0], overlapping[0, 5:12, 5:12, 4] = 1, 1
    np.save(tmp_path / "masks.npy", overlapping)
    planes = ObjectArrays(tmp_path / "masks.npy").read(0, None, None).planes
    assert planes is not None
    assert [int(plane.sum()) for plane in planes] == [81, 0, 0, 0, 49]


def test_bad_sources(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="no file or folder"):
        ObjectFolder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match=r"holds no .*\.mat"):
        ObjectFolder(tmp_path / "empty")
    np.save(folder / "mat" / "A.1 b.npy", squares())
    with pytest.raises(ContractError, match="share a name"):
        ObjectFolder(folder / "mat")
    np.save(folder / "npy" / "A.1 b.npy", squares()[:, :20])
    with pytest.raises(UnreadableFileError, match=r"\(20, 20\)"):
        read_pair(ObjectFolder(folder / "png"), ObjectFolder(folder / "npy"), (0, 0), None)
    (folder / "masks.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(UnreadableFileError, match="not a whole NPY"):
        ObjectArrays(folder / "masks.npy")
    (folder / "t.csv").write_text("name,tissue\na,b\n")
    with pytest.raises(UnreadableFileError, match="expected 'id' or 'image'"):
        read_items(folder / "t.csv")


def test_classes_are_merged() -> None:
    found = Labelled(squares(), np.array([0, 3, 7])[squares()])
    merged = mapped(found, {7: 4, 4: 3})
    assert merged.semantic is not None
    assert set(np.unique(merged.semantic)) == {0, 3, 4}
    assert mapped(found, {}) is found
