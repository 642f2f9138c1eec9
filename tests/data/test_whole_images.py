from pathlib import Path

import pytest

from fakes import folder as fake
from histoseg.data import NucleiFolder, TileDataModule
from histoseg.errors import UnreadableFileError


def data_module(root: Path, on_error: str, workers: int) -> TileDataModule:
    def dataset(**split: object) -> NucleiFolder:
        folders = {"images": root / "images", "instances": root / "instances"}
        return NucleiFolder(**folders, on_error=on_error, **split)  # type: ignore[arg-type]

    return TileDataModule(
        dataset,
        {"test": {}},
        lambda record, seed: record,  # type: ignore[arg-type]
        classes=[],
        tile=32,
        batch_size=4,
        seed=0,
        num_workers=workers,
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_left_out_and_known_in_this_process(
    tmp_path: Path, workers: int
) -> None:
    root = fake.write(tmp_path)
    names = sorted(path.stem for path in (root / "images").iterdir())
    (root / "images" / f"{names[1]}.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    data = data_module(root, "skip", workers)
    for _ in range(2):  # a second test starts a new list
        seen = [batch["place"].slide[0] for batch in data.test_dataloader()]
        assert seen == [names[0], *names[2:]], "no neighbour in its place"
        assert [one.name for one in data.skipped] == [names[1]]
        assert names[1] in data.skipped[0].why


def test_all_unreadable_gives_no_batch_and_raise_still_raises(tmp_path: Path) -> None:
    root = fake.write(tmp_path, images=2)
    for path in (root / "images").iterdir():
        path.write_bytes(b"")
    data = data_module(root, "skip", 0)
    assert list(data.test_dataloader()) == []
    assert len(data.skipped) == 2
    with pytest.raises(UnreadableFileError):
        list(data_module(root, "raise", 0).test_dataloader())
