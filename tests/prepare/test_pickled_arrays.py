import pickle
from pathlib import Path

import numpy as np
import pytest

from histoseg.errors import UnreadableFileError
from histoseg.prepare.pickled_arrays import read_pickled_arrays


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("kind", ["u1", "u2", "i4", "u4", "i8", "f8"])
def test_arrays_are_those_that_unpickling_gives(tmp_path: Path, kind: str, protocol: int) -> None:
    rng = np.random.default_rng(0)
    maps = {
        "type_map": rng.integers(0, 9, (7, 5)).astype("u4"),
        "other": [1, 2, "u4"],
        "inst_map": np.asfortranarray(rng.integers(0, 99, (6, 4)).astype(kind)),
        "again": rng.integers(0, 9, (3, 2)).astype("u4"),
    }
    path = tmp_path / "a.npy"
    save(path, maps, protocol)
    found = read_pickled_arrays(path, ("inst_map", "type_map", "again"))
    for name, array in found.items():
        np.testing.assert_array_equal(array, maps[name])
        assert array.dtype == np.asarray(maps[name]).dtype


def save(path: Path, content: object, protocol: int) -> None:
    """As ``numpy.save`` does it; NumPy 1 wrote protocol 3, NumPy 2 writes 4."""
    with path.open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        pickle.dump(np.array(content, dtype=object), file, protocol=protocol)


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("trap"),))


def test_nothing_in_the_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.npy", {"inst_map": np.eye(3, dtype=np.int32), "trap": Trap()}, 4)
    np.testing.assert_array_equal(
        read_pickled_arrays(tmp_path / "a.npy", ("inst_map",))["inst_map"], np.eye(3)
    )
    assert not (tmp_path / "trap").exists()


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.eye(3))
    with pytest.raises(UnreadableFileError, match="holds no array inst_map"):
        read_pickled_arrays(path, ("inst_map",))
    save(path, {"inst_map": np.ones((50, 50), np.int32)}, 4)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(UnreadableFileError, match=r"a\.npy is no NumPy dictionary, or cut"):
        read_pickled_arrays(path, ("inst_map",))
    with pytest.raises(UnreadableFileError, match="no NumPy dictionary"):
        read_pickled_arrays(tmp_path / "nowhere.npy", ("inst_map",))
