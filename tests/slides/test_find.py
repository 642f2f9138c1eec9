import os
from pathlib import Path

import pytest

from histoseg.slides import find_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.TIF", "notes.txt", ".hidden.png", "sub/c.jpg", "x [1].png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_gives_its_pictures_sorted(folder: Path) -> None:
    assert names(find_images(folder)) == ["a.TIF", "b.png", "x [1].png"]


def test_a_file_is_taken_whatever_its_suffix(folder: Path) -> None:
    assert names(find_images(str(folder / "notes.txt"))) == ["notes.txt"]


def test_a_name_with_brackets_is_a_name_if_there_is_such_a_file(folder: Path) -> None:
    assert names(find_images(str(folder / "x [1].png"))) == ["x [1].png"]


def test_patterns(folder: Path) -> None:
    assert names(find_images(f"{folder}/*.png")) == ["b.png", "x [1].png"]
    assert names(find_images(f"{folder}/**/*.*")) == ["a.TIF", "b.png", "c.jpg", "x [1].png"]


def test_a_list_gives_each_file_once(folder: Path) -> None:
    found = find_images(
        [folder / "b.png", folder, f"{folder}/sub/*", folder / "sub" / ".." / "b.png"]
    )
    assert names(found) == ["a.TIF", "b.png", "c.jpg", "x [1].png"]


def test_the_same_stem_twice_is_refused(folder: Path) -> None:
    (folder / "b.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"overwrite.*b\.jpg and .*b\.png"):
        find_images(folder)


def test_nothing_found_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match=r"no file or folder.*give a picture"):
        find_images(folder / "nope.png")
    with pytest.raises(FileNotFoundError, match="0 files and none ends in"):
        find_images(empty)
    with pytest.raises(FileNotFoundError, match=r"pattern .*has 1 files"):
        find_images(f"{folder}/*.txt")
    with pytest.raises(ValueError, match="list of pictures is empty"):
        find_images([])


def test_relative_paths_stay_relative(folder: Path) -> None:
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert find_images("b.png") == [Path("b.png")]
    finally:
        os.chdir(before)
