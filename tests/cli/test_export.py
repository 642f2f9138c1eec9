"""``histoseg export`` at the command line."""

from pathlib import Path

import torch

from fakes import tiatoolbox

from .conftest import Call


def test_a_run_of_the_published_size_is_written(histoseg_: Call, tmp_path: Path) -> None:
    torch.save(tiatoolbox.state(5, kernel=3, width=64), tmp_path / "hovernet_fast-monusac.pth")
    args = ["model=hovernet", "data=synthetic", "model.pretrained=hovernet_fast-monusac.pth"]
    said = histoseg_("export", *args, "format=hovernet", "output=official/monusac.tar")
    assert said.code == 0, said.err
    assert "--model_mode=fast --nr_types=5 --type_info_path=official/type_info.json" in said.out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["hovernet_fast-monusac.pth", "official"]
    assert len(torch.load(tmp_path / "official/monusac.tar", weights_only=True)["desc"]) == 798


def test_what_cannot_be_exported_is_answered_in_one_paragraph(
    histoseg_: Call, hovernet_run: Path, run: Path, tmp_path: Path
) -> None:
    said = histoseg_("export", f"ckpt={hovernet_run}", "output=a.tar")
    assert "this network has width 8" in said.complaint
    said = histoseg_("export", f"ckpt={run}", "trust=[mypkg]", "output=a.tar")
    assert "the format hovernet holds a HoVer-Net" in said.complaint
    assert "which checkpoint?" in histoseg_("export", "output=a.tar").complaint
    assert not list(tmp_path.iterdir())
