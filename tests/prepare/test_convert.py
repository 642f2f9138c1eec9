import pytest

from histoseg.prepare import problems, reasons, summary, twins


def row(name: str, split: str = "", group: str = "", **more: object) -> dict[str, object]:
    kept = {"id": name, "split": split, "group": group or name, "image_sha256": name}
    return {**kept, "nuclei": 3, **more}


ROWS = [row("a", "train", round=2), row("b", "train", round=3), row("c", "test", round=0)]


def test_counts_are_compared_part_by_part() -> None:
    assert problems(ROWS, {"train": 2, "test": 1, "all": 3}, "paper") == []
    assert problems(ROWS, {"train": 3, "val": 1}, "paper") == [
        "2 images of train, expected 3 (paper)",
        "0 images of val, expected 1 (paper)",
    ]


def test_the_table_counts_every_part_and_what_failed() -> None:
    lines = summary(ROWS, ["round"], [["a", "f", "w", "y"], ["gone", "f", "", "y"]]).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["-", "0", "0", "0", "0", "1"],
        ["test", "1", "3", "0", "3", "0"],
        ["train", "2", "6", "5", "1", "1"],
        ["all", "3", "9", "5", "4", "2"],
    ], "of nine nuclei four have no class"
    assert len({len(line) for line in lines}) == 1


def test_a_set_of_one_part_has_one_line() -> None:
    assert len(summary([row("a")], [], []).splitlines()) == 2


@pytest.mark.parametrize(
    ("split", "group", "found"), [("test", "p", 1), ("train", "q", 1), ("train", "p", 0)]
)
def test_one_picture_in_two_groups_is_told(split: str, group: str, found: int) -> None:
    pair = [row("a", "train", "p", image_sha256="x"), row("b", split, group, image_sha256="x")]
    assert len(twins(pair)) == found


def test_reasons_are_counted_without_their_numbers() -> None:
    report = [
        ["a", "f", "feature 1", "outside the image of 60 x 60 pixels"],
        ["b", "f", "feature 2", "outside the image of 1.5 x 7 pixels"],
        ["b", "f", "feature 3", "unknown class: label 'grade 3', colour None"],
        ["c", "f", "", "cut short"],
    ]
    assert reasons(report).splitlines() == [
        "       2  outside the image of .. x .. pixels",
        "       1  unknown class: label 'grade 3', colour None",
    ]
