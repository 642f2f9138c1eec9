from pathlib import Path

import pytest

from fakes import dicom
from histoseg.errors import SlideError
from histoseg.slides import find_slides


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ("b.svs", "a.NDPI", "c.mrxs", "c/Slidedat.ini", "d.ome.tif", "notes.txt", ".hid.svs")
    for name in (*names, "more/e.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_a_folder_gives_its_slides_by_name(folder: Path) -> None:
    assert [entry.name for entry in find_slides(folder)] == ["a", "b", "c", "d"]
    assert [entry.path.name for entry in find_slides(f"{folder}/**/*.*")][-1] == "e.png"
    assert [entry.name for entry in find_slides([folder / "notes.txt", f"{folder}/*.svs"])] == [
        "b",
        "notes",
    ]


def test_the_pictures_of_a_vms_file_are_not_slides(tmp_path: Path) -> None:
    for name in ("s.jpg", "s_map2.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "s.vms").write_text(
        "[Virtual Microscope Specimen]\nImageFile=s.jpg\nMap=s_map2.jpg"
    )
    assert [entry.path.name for entry in find_slides(tmp_path)] == ["other.jpg", "s.vms"]


def test_of_a_dicom_series_one_file_is_taken(tmp_path: Path) -> None:
    one = dicom.write(tmp_path, levels=3, label=True)
    dicom.write(tmp_path, levels=1, prefix="z")
    assert [entry.path.name for entry in find_slides(tmp_path)] == [one[0].name, "z0.dcm"]


def test_a_list_says_more_of_each_slide(folder: Path) -> None:
    (folder / "list.csv").write_text(
        "\ufeffPath, mpp,mask ,name\nb.svs,0.25,more/e.png,\n\n a.NDPI ,,,second\n",
        encoding="utf-8",
    )
    first, second = find_slides(folder / "list.csv")
    assert (first.path, first.name, first.mpp) == (folder / "b.svs", "b", 0.25)
    assert first.mask == folder / "more" / "e.png"
    assert (second.name, second.mpp, second.mask) == ("second", None, None)


def test_bad_rows_are_all_named(folder: Path) -> None:
    (folder / "list.csv").write_text(
        "path,mpp,mask\nb.svs,-1,\nnope.svs,,\nb.svs,0.5,gone.png\n,0.5,\na.NDPI,quarter,\nb.svs,,\n"
    )
    with pytest.raises(SlideError) as caught:
        find_slides(folder / "list.csv")
    text = str(caught.value)
    wrong = ("2: mpp '-1'", "3: path: there is no", "4: mask", "5: path is", "6: mpp 'quarter'")
    for words in ("5 bad rows", *(f"line {each}" for each in wrong)):
        assert words in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,name\nb.svs,../b\n", r"line 2: name '\.\./b' leads to another folder"),
        ("path,name\nb.svs,..\n", r"line 2: name '\.\.' leads to another folder"),
        ("file,mpp\nb.svs,1\n", "expected path"),
        ("path,mmp\nb.svs,1\n", "'mmp'"),
        ("path\n", "no rows"),
    ],
)
def test_a_list_that_is_none(folder: Path, text: str, message: str) -> None:
    (folder / "list.csv").write_text(text)
    with pytest.raises(SlideError, match=message):
        find_slides(folder / "list.csv")


def test_the_same_name_twice_is_refused_and_a_list_settles_it(folder: Path) -> None:
    (folder / "b.tif").write_bytes(b"x")
    with pytest.raises(SlideError, match=r"b\.svs and .*b\.tif.*\.csv"):
        find_slides(folder)
    (folder / "list.csv").write_text("path,name\nb.svs,b1\nb.tif,b2\n")
    assert [entry.name for entry in find_slides(folder / "list.csv")] == ["b1", "b2"]


def test_nothing_found_says_what_to_do(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        find_slides(folder / "nope.svs")
    with pytest.raises(FileNotFoundError, match=r"1 files and none ends in .*\.mrxs"):
        find_slides(folder / "c")
    with pytest.raises(SlideError, match="list of slides is empty"):
        find_slides([])
